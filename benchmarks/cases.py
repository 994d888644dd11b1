"""The methods and requests that the benchmarks send."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf.wrappers_pb2 import BytesValue

from benchmarks.client import FRESH
from stagely.v1 import crypto_pb2, environment_pb2, id_pb2, secret_pb2, team_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.message import Message

    from benchmarks.dataset import Dataset

FLOORS = "stagely.benchmarks.Floors"
LIST_SIZE = 100
VALUE = b"postgresql://app@database/app"

_PLAINTEXT_BYTES = 1024
_KEY, _NONCE = secrets.token_bytes(32), secrets.token_bytes(12)
_REQUEST_ID = f"8f14e45f-ceea-467f-9575-{FRESH}"
_COMMIT = "7fd1a60b01f91b314f59955a4e4d4e80d8edf11d"
_STEPS = (
    environment_pb2.ENVIRONMENT_STATUS_BUILDING,
    environment_pb2.ENVIRONMENT_STATUS_DEPLOYING,
    environment_pb2.ENVIRONMENT_STATUS_READY,
)


@dataclass(frozen=True)
class Case:
    """A method with its requests.

    Attributes:
        method: full name, such as `/stagely.v1.TeamService/GetTeam`.
        turns: serialized requests, as `benchmarks.client.Job` has them.
    """

    method: str
    turns: tuple[tuple[bytes, ...], ...]

    def floor(self, method: str) -> Case:
        """Return a case with the same requests for a method of the floors."""
        return Case(f"/{FLOORS}/{method}", self.turns)


ECHO = Case(f"/{FLOORS}/Echo", ((BytesValue(value=bytes(64)).SerializeToString(),),))


def get_team(dataset: Dataset) -> Case:
    """Read one of many teams."""
    return _case("Team", "GetTeam", (team_pb2.GetTeamRequest(id=team_id) for team_id in dataset.team_ids))


def get_environment(dataset: Dataset) -> Case:
    """Read one of many environments, as the edge router does."""
    return _case(
        "Environment",
        "GetEnvironment",
        (environment_pb2.GetEnvironmentRequest(subdomain_hash=each) for each in dataset.subdomain_hashes),
    )


def list_environments() -> Case:
    """List the newest environments of all."""
    return _case("Environment", "ListEnvironments", [environment_pb2.ListEnvironmentsRequest(page_size=LIST_SIZE)])


def access_secret(dataset: Dataset) -> Case:
    """Decrypt one of many secrets."""
    return _case("Secret", "AccessSecret", (secret_pb2.AccessSecretRequest(id=each) for each in dataset.secret_ids))


def resolve_secrets(dataset: Dataset) -> Case:
    """Decrypt all secrets of a project."""
    return _case("Secret", "ResolveSecrets", [secret_pb2.ResolveSecretsRequest(project_id=dataset.resolved_project_id)])


def add_secret(dataset: Dataset, *, teams: int | None = None, with_request_id: bool = False) -> Case:
    """Add a secret to one of many projects, each in another team; or only in some teams."""
    request_id = _REQUEST_ID if with_request_id else ""
    return _case(
        "Secret",
        "SetSecret",
        (
            secret_pb2.SetSecretRequest(project_id=each, key=f"NEW_{FRESH}", value=VALUE, request_id=request_id)
            for each in dataset.project_ids[:teams]
        ),
    )


def replace_secret(dataset: Dataset) -> Case:
    """Replace one of many secrets. Concurrent calls never replace the same one."""
    return _case("Secret", "SetSecret", secrets_to_replace(dataset.project_ids))


def secrets_to_replace(project_ids: Iterable[str]) -> list[secret_pb2.SetSecretRequest]:
    """Return requests that set a secret of each project."""
    return [secret_pb2.SetSecretRequest(project_id=each, key="REPLACED", value=VALUE) for each in project_ids]


def create_environment(dataset: Dataset) -> Case:
    """Create an environment in one of many projects."""
    requests = (new_environment(project_id) for project_id in dataset.project_ids)
    return _case("Environment", "CreateEnvironment", requests)


def new_environment(project_id: str) -> environment_pb2.CreateEnvironmentRequest:
    """Return a request for an environment without a pull request, of which there can be any number."""
    return environment_pb2.CreateEnvironmentRequest(project_id=project_id, branch_name="main", commit_hash=_COMMIT)


def transition_environment(dataset: Dataset) -> Case:
    """Take one of many environments from ready to building, to deploying, and back to ready."""
    turns = (tuple(map(bytes_of, steps_of(each))) for each in dataset.environment_ids)
    return Case("/stagely.v1.EnvironmentService/TransitionEnvironment", tuple(turns))


def steps_of(environment_id: str) -> list[environment_pb2.TransitionEnvironmentRequest]:
    """Return the requests that take an environment to ready, first from pending and then from ready."""
    return [environment_pb2.TransitionEnvironmentRequest(id=environment_id, status=status) for status in _STEPS]


def encrypt() -> Case:
    """Encrypt a KiB."""
    return _case("Crypto", "Encrypt", [crypto_pb2.EncryptRequest(key=_KEY, plaintext=bytes(_PLAINTEXT_BYTES))])


def decrypt() -> Case:
    """Decrypt a KiB."""
    sealed = _NONCE + AESGCM(_KEY).encrypt(_NONCE, bytes(_PLAINTEXT_BYTES), b"")
    return _case(
        "Crypto", "Decrypt", [crypto_pb2.DecryptRequest(key=_KEY, ciphertext=base64.b64encode(sealed).decode())]
    )


def generate_id() -> Case:
    """Generate an id."""
    return _case("Id", "GenerateId", [id_pb2.GenerateIdRequest()])


def bytes_of(request: Message) -> bytes:
    """Return a serialized request."""
    return request.SerializeToString()


def _case(service: str, method: str, requests: Iterable[Message]) -> Case:
    return Case(f"/stagely.v1.{service}Service/{method}", tuple((bytes_of(request),) for request in requests))
