"""What is measured: the rows of the table, each with the floor below it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf.wrappers_pb2 import BytesValue

from stagely.v1 import crypto_pb2, environment_pb2, id_pb2, secret_pb2, team_pb2

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.message import Message

    from benchmarks.dataset import Dataset

FLOORS = "stagely.benchmarks.Floors"
LIST_SIZE = 100
PLAINTEXT_BYTES = 1024


@dataclass(frozen=True)
class Case:
    """One method with what it is sent.

    Attributes:
        method: full name, such as `/stagely.v1.TeamService/GetTeam`.
        bodies: serialized requests, sent in turn. With more than one, calls in flight don't wait for each other's row.
    """

    method: str
    bodies: tuple[bytes, ...]

    @property
    def is_floor(self) -> bool:
        """Whether the server of the floors answers it, and not the one under test."""
        return self.method.startswith(f"/{FLOORS}/")


@dataclass(frozen=True)
class Row:
    """A line of the table: a method of the service and the floor that does the same work by hand."""

    name: str
    case: Case
    floor: Case


ECHO = Case(f"/{FLOORS}/Echo", (BytesValue(value=bytes(64)).SerializeToString(),))


def rows(dataset: Dataset) -> list[Row]:
    """Return the rows of the table, over what the database holds. What needs no database has GetTeam's floor."""
    team = team_pb2.GetTeamRequest(id=dataset.team_id)
    environment = environment_pb2.GetEnvironmentRequest(subdomain_hash=dataset.subdomain_hash)
    environments = environment_pb2.ListEnvironmentsRequest(project_id=dataset.project_id, page_size=LIST_SIZE)
    access = secret_pb2.AccessSecretRequest(id=dataset.secret_id)
    settings = set_secret_requests(dataset.project_id)
    encryption = crypto_pb2.EncryptRequest(key=secrets.token_bytes(32), plaintext=secrets.token_bytes(PLAINTEXT_BYTES))
    return [
        _row("Team", "GetTeam", team),
        _row("Environment", "GetEnvironment", environment),
        _row("Environment", "ListEnvironments", environments),
        _row("Secret", "SetSecret", *settings, floor=_floor("InsertSecret", settings)),
        _row("Secret", "AccessSecret", access, floor=_floor("GetSecret", [access])),
        _row("Crypto", "Encrypt", encryption, floor=_floor("GetTeam", [team])),
        _row("Id", "GenerateId", id_pb2.GenerateIdRequest(), floor=_floor("GetTeam", [team])),
    ]


def set_secret_requests(project_id: str) -> list[secret_pb2.SetSecretRequest]:
    """Return more requests than are ever in flight at once, each for a key of its own."""
    return [
        secret_pb2.SetSecretRequest(project_id=project_id, key=f"BENCHMARK_{number}", value=b"postgresql://database")
        for number in range(256)
    ]


def _row(service: str, method: str, *requests: Message, floor: Case | None = None) -> Row:
    case = _case(f"/stagely.v1.{service}Service/{method}", requests)
    return Row(method, case, floor or _floor(method, requests))


def _floor(method: str, requests: Sequence[Message]) -> Case:
    return _case(f"/{FLOORS}/{method}", requests)


def _case(method: str, requests: Sequence[Message]) -> Case:
    return Case(method, tuple(request.SerializeToString() for request in requests))
