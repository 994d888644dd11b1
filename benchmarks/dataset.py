"""The data of a measurement: reads from a large database, and separate rows for writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, LiteralString, TypeVar

import grpc
import psycopg

from benchmarks.cases import VALUE, new_environment, secrets_to_replace, steps_of
from stagely.v1 import (
    environment_pb2_grpc,
    project_pb2,
    project_pb2_grpc,
    secret_pb2,
    secret_pb2_grpc,
    team_pb2,
    team_pb2_grpc,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from google.protobuf.message import Message

    from benchmarks.processes import ServerProcess

Answer = TypeVar("Answer")

RESOLVED_SECRETS = 100

_ROOMS = 256
_SAMPLE = 1024
_QUOTA = 100_000
_TIMEOUT_SECONDS = 60

# Rows from anywhere in the table.
_TEAMS = "SELECT id::text FROM teams ORDER BY md5(id::text) LIMIT %s"
_SUBDOMAINS = "SELECT subdomain_hash FROM environments ORDER BY md5(id::text) LIMIT %s"
_SECRETS = "SELECT id::text FROM secrets ORDER BY md5(id::text) LIMIT %s"


@dataclass(frozen=True)
class Dataset:
    """The keys for the requests.

    Attributes:
        team_ids: teams to read, from the whole table.
        subdomain_hashes: subdomains of environments to read.
        secret_ids: secrets to read.
        project_ids: projects to write to, each in its own team with a large quota.
        environment_ids: ready environments to change, each in its own team.
        resolved_project_id: a project with 100 secrets.
    """

    team_ids: Sequence[str]
    subdomain_hashes: Sequence[str]
    secret_ids: Sequence[str]
    project_ids: Sequence[str]
    environment_ids: Sequence[str]
    resolved_project_id: str


def prepare(database_url: str, server: ServerProcess, *, rooms: int = _ROOMS) -> Dataset:
    """Create the rows for writes by calls, which any revision supports, and choose the rows for reads.

    Args:
        database_url: the database of the server.
        server: the server that creates the rows.
        rooms: the number of teams to write to. With fewer teams than calls in flight, calls wait for each other.
    """
    with grpc.insecure_channel(server.target) as channel:
        room = _Room(channel, server.metadata)
        project_ids = room.projects(rooms)
        environment_ids = room.ready_environments(project_ids)
        room.set_secrets(secrets_to_replace(project_ids))
        room.set_secrets(_resolved(project_ids[0]))
    return Dataset(
        team_ids=_keys(database_url, _TEAMS),
        subdomain_hashes=_keys(database_url, _SUBDOMAINS),
        secret_ids=_keys(database_url, _SECRETS),
        project_ids=project_ids[1:],
        environment_ids=environment_ids,
        resolved_project_id=project_ids[0],
    )


class _Room:
    """Creates resources by concurrent calls."""

    def __init__(self, channel: grpc.Channel, metadata: tuple[tuple[str, str], ...]) -> None:
        self._metadata = metadata
        self._teams = team_pb2_grpc.TeamServiceStub(channel)
        self._projects = project_pb2_grpc.ProjectServiceStub(channel)
        self._environments = environment_pb2_grpc.EnvironmentServiceStub(channel)
        self._secrets = secret_pb2_grpc.SecretServiceStub(channel)

    def projects(self, count: int) -> list[str]:
        """Create teams with a project each, and one more for reading secrets. Return the ids of the projects."""
        teams = self._all(
            self._teams.CreateTeam,
            [
                team_pb2.CreateTeamRequest(slug=f"room-{number}", name="Room", max_concurrent_stagelets=_QUOTA)
                for number in range(count + 1)
            ],
        )
        projects = self._all(
            self._projects.CreateProject,
            [
                project_pb2.CreateProjectRequest(
                    team_id=answer.team.id, slug="app", name="App", repo_url="https://git.example/app"
                )
                for answer in teams
            ],
        )
        return [answer.project.id for answer in projects]

    def ready_environments(self, project_ids: Iterable[str]) -> list[str]:
        """Create a ready environment in each project. Return their ids."""
        created = self._all(self._environments.CreateEnvironment, list(map(new_environment, project_ids)))
        ids = [answer.environment.id for answer in created]
        for step in zip(*map(steps_of, ids), strict=True):
            self._all(self._environments.TransitionEnvironment, step)
        return ids

    def set_secrets(self, requests: Sequence[secret_pb2.SetSecretRequest]) -> None:
        """Set secrets."""
        self._all(self._secrets.SetSecret, requests)

    def _all(self, method: grpc.UnaryUnaryMultiCallable[Any, Answer], requests: Sequence[Message]) -> list[Answer]:
        calls = [method.future(each, metadata=self._metadata, timeout=_TIMEOUT_SECONDS) for each in requests]
        return [call.result() for call in calls]


def _resolved(project_id: str) -> list[secret_pb2.SetSecretRequest]:
    return [
        secret_pb2.SetSecretRequest(project_id=project_id, key=f"KEY_{number}", value=VALUE)
        for number in range(RESOLVED_SECRETS)
    ]


def _keys(database_url: str, query: LiteralString) -> list[str]:
    with psycopg.connect(database_url) as connection:
        return [key for (key,) in connection.execute(query, [_SAMPLE])]
