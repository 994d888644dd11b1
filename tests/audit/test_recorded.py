from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
import psycopg
import pytest
from psycopg.rows import dict_row

from stagely.v1 import (
    annotations_pb2,
    cloud_provider_pb2,
    environment_pb2,
    project_pb2,
    secret_pb2,
    team_pb2,
    user_pb2,
)
from tests.support.methods import METHODS
from tests.support.refusals import refused
from tests.support.rpc import connected, running_server
from tests.support.seeds import seed
from tests.support.world import Renewable, World, call_rpc, make_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from google.protobuf.message import Message

    from tests.support.methods import Method
    from tests.support.postgres import PostgresServer

SECRET_MARKER = "marker-9f2c1d"
TABLES = (
    *("teams", "users", "team_members", "projects", "cloud_providers", "environments", "secrets", "data_keys"),
    *("audit_logs", "idempotency_keys"),
)


def action_of(method: Method) -> str:
    service = method.input.file.services_by_name[method.name.partition(".")[0]]
    options = service.methods_by_name[method.name.partition(".")[2]].GetOptions()
    return options.Extensions[annotations_pb2.policy].action


RECORDED = [method for method in METHODS if action_of(method)]
UNARY = [method for method in METHODS if not method.is_streaming]


async def recorded(url: str, request_id: str) -> list[dict[str, Any]]:
    async with await psycopg.AsyncConnection.connect(url, row_factory=dict_row) as connection:
        found = await connection.execute(
            "SELECT * FROM audit_logs WHERE request_id = %s ORDER BY timestamp, id", [request_id]
        )
        return await found.fetchall()


async def call_recorded(
    channel: grpc.aio.Channel, url: str, name: str, request: Message, *metadata: tuple[str, str]
) -> tuple[Any, list[dict[str, Any]]]:
    """Call an RPC; return the response and the audit rows of the call."""
    request_id = uuid.uuid4().hex
    method = next(method for method in METHODS if method.name == name)
    call = channel.unary_unary(method.path, type(request).SerializeToString, method.response.FromString)
    answer = await call(request, metadata=(("x-request-id", request_id), *metadata))
    return answer, await recorded(url, request_id)


@pytest.fixture(scope="module")
async def world(channel: grpc.aio.Channel) -> World:
    return await make_world(channel)


@pytest.mark.parametrize("method", RECORDED, ids=str)
async def test_call_is_recorded_once_with_actor_action_and_resource(
    channel: grpc.aio.Channel, database_url: str, method: Method
) -> None:
    world = await Renewable(channel, method.name, await make_world(channel)).ready()

    _, rows = await call_recorded(channel, database_url, method.name, seed(method.name, world))

    (row,) = rows
    assert row["action"] == action_of(method)
    assert row["resource_type"] == row["action"].partition(".")[0]
    assert (row["actor_service"], row["actor_id"], row["actor_email"]) == ("anonymous", None, None)
    assert str(row["actor_ip"]) == "127.0.0.1"
    is_user_action = row["resource_type"] == "user"
    is_new_team = row["action"] == "team.create"
    assert row["team_id"] == (
        None if is_user_action else row["resource_id"] if is_new_team else uuid.UUID(world.team.id)
    )
    if row["resource_type"] in ("project", "environment", "secret"):
        assert row["project_id"] is not None


@pytest.mark.parametrize("method", [method for method in UNARY if method not in RECORDED], ids=str)
async def test_read_without_secrets_is_not_recorded(
    channel: grpc.aio.Channel, database_url: str, world: World, method: Method
) -> None:
    _, rows = await call_recorded(channel, database_url, method.name, seed(method.name, world))

    assert rows == []


async def test_call_for_a_user_is_recorded_with_user_and_service(
    channel: grpc.aio.Channel, database_url: str, world: World
) -> None:
    owner = ("x-stagely-user-id", await owner_of(channel, world))
    request = team_pb2.UpdateTeamRequest(id=world.team.id, name="New")

    _, (row,) = await call_recorded(channel, database_url, "TeamService.UpdateTeam", request, owner)

    user = await call_rpc(channel, "UserService.GetUser", user_pb2.GetUserRequest(id=owner[1]))
    assert (str(row["actor_id"]), row["actor_email"]) == (owner[1], user.user.email)
    assert row["actor_service"] == "anonymous"


async def test_creation_for_a_user_is_recorded_with_the_owner(
    channel: grpc.aio.Channel, database_url: str, world: World
) -> None:
    user_id = ("x-stagely-user-id", await owner_of(channel, world))
    request = team_pb2.CreateTeamRequest(slug=f"t-{uuid.uuid4().hex}", name="Web")

    _, (row,) = await call_recorded(channel, database_url, "TeamService.CreateTeam", request, user_id)

    assert row["metadata"]["owner_id"] == user_id[1]


async def owner_of(channel: grpc.aio.Channel, world: World) -> str:
    request = team_pb2.ListTeamMembersRequest(team_id=world.team.id, role=team_pb2.TEAM_ROLE_OWNER)
    owner_id: str = (await call_rpc(channel, "TeamService.ListTeamMembers", request)).members[0].user_id
    return owner_id


async def test_change_is_recorded_with_old_and_new_values(channel: grpc.aio.Channel, database_url: str) -> None:
    world = await make_world(channel)
    request = team_pb2.UpdateTeamRequest(id=world.team.id, name="Renamed", max_concurrent_builds=3)

    _, (row,) = await call_recorded(channel, database_url, "TeamService.UpdateTeam", request)

    assert row["metadata"]["changes"] == {
        "name": {"old": world.team.name, "new": "Renamed"},
        "max_concurrent_builds": {"old": world.team.max_concurrent_builds, "new": 3},
    }


async def test_creation_is_recorded_with_the_new_values(channel: grpc.aio.Channel, database_url: str) -> None:
    request = team_pb2.CreateTeamRequest(slug=f"t-{uuid.uuid4().hex}", name="Web")

    _, (row,) = await call_recorded(channel, database_url, "TeamService.CreateTeam", request)

    assert row["metadata"]["changes"]["slug"] == {"new": request.slug}
    assert row["metadata"]["changes"]["billing_plan"] == {"new": "free"}


async def test_deletion_is_recorded_with_the_old_values(channel: grpc.aio.Channel, database_url: str) -> None:
    world = await make_world(channel)
    request = project_pb2.DeleteProjectRequest(id=world.project.id, force=True)

    _, (row,) = await call_recorded(channel, database_url, "ProjectService.DeleteProject", request)

    assert row["metadata"]["changes"]["slug"] == {"old": world.project.slug}
    assert (str(row["resource_id"]), str(row["project_id"])) == (world.project.id, world.project.id)


async def test_transition_is_recorded_with_both_statuses(channel: grpc.aio.Channel, database_url: str) -> None:
    world = await make_world(channel)
    request = environment_pb2.TerminateEnvironmentRequest(id=world.environment.id)

    _, (row,) = await call_recorded(channel, database_url, "EnvironmentService.TerminateEnvironment", request)

    assert row["metadata"]["changes"]["status"] == {"old": "pending", "new": "terminated"}


async def test_secret_is_recorded_by_key_and_version_and_never_by_value(
    channel: grpc.aio.Channel, database_url: str, world: World
) -> None:
    versions = []
    for value in ("one", "two"):
        request = secret_pb2.SetSecretRequest(
            project_id=world.project.id, key="KEY", value=f"{SECRET_MARKER}{value}".encode()
        )
        _, (row,) = await call_recorded(channel, database_url, "SecretService.SetSecret", request)
        assert row["metadata"]["key"] == "KEY"
        assert row["metadata"]["changes"]["encrypted_value"] == {"changed": True}
        versions.append(row["metadata"]["version"])
    name = secret_pb2.SecretName(project_id=world.project.id, key="KEY")
    access = secret_pb2.AccessSecretRequest(name=name)
    answer, (row,) = await call_recorded(channel, database_url, "SecretService.AccessSecret", access)

    assert answer.value == f"{SECRET_MARKER}two".encode()
    assert row["metadata"] == {"key": "KEY", "scope": "global", "version": versions[1]}
    assert versions[0] < versions[1]
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        found = await connection.execute(
            "SELECT count(*) FROM audit_logs a WHERE a::text LIKE %s", [f"%{SECRET_MARKER}%"]
        )
        assert await found.fetchone() == (0,)


async def test_each_resolved_secret_is_recorded(channel: grpc.aio.Channel, database_url: str) -> None:
    world = await make_world(channel)
    for key in ("A", "B"):
        await call_rpc(
            channel,
            "SecretService.SetSecret",
            secret_pb2.SetSecretRequest(project_id=world.project.id, key=key, value=b"x"),
        )

    request = secret_pb2.ResolveSecretsRequest(project_id=world.project.id, scope="api")
    _, (row,) = await call_recorded(channel, database_url, "SecretService.ResolveSecrets", request)

    assert row["metadata"]["scope"] == "api"
    assert {secret["key"] for secret in row["metadata"]["secrets"]} >= {"A", "B"}


async def test_replaced_credentials_are_recorded_as_changed(
    channel: grpc.aio.Channel, database_url: str, world: World
) -> None:
    request = cloud_provider_pb2.UpdateCloudProviderRequest(id=world.provider.id)
    request.credentials.update({"api_token": SECRET_MARKER})

    _, (row,) = await call_recorded(channel, database_url, "CloudProviderService.UpdateCloudProvider", request)

    assert row["metadata"]["changes"]["encrypted_credentials"] == {"changed": True}


async def test_large_value_is_recorded_by_size_and_digest(
    channel: grpc.aio.Channel, database_url: str, world: World
) -> None:
    request = project_pb2.UpdateProjectRequest(id=world.project.id)
    request.config.update({"text": "x" * 5000})

    _, (row,) = await call_recorded(channel, database_url, "ProjectService.UpdateProject", request)

    assert row["metadata"]["changes"]["config"]["new"].keys() == {"bytes", "sha256"}


@dataclass(frozen=True)
class UnwritableAuditLog:
    """A server whose database refuses audit rows, with a world for each RPC that was made before."""

    url: str
    channel: grpc.aio.Channel
    worlds: dict[str, World]


@pytest.fixture(scope="module")
async def unwritable_audit_log(
    postgres_server: PostgresServer, template_database: str
) -> AsyncIterator[UnwritableAuditLog]:
    url = postgres_server.create_database(template_database)
    async with running_server(url) as server, connected(server) as channel:
        world = await make_world(channel)
        worlds = {method.name: await Renewable(channel, method.name, world).ready() for method in RECORDED}
        async with await psycopg.AsyncConnection.connect(url) as connection:
            await connection.execute("ALTER TABLE audit_logs ADD CONSTRAINT is_full CHECK (false) NOT VALID")
        yield UnwritableAuditLog(url, channel, worlds)
    postgres_server.drop_database(url)


async def contents(url: str) -> dict[str, list[Any]]:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        rows = {table: await (await connection.execute(f"TABLE {table}")).fetchall() for table in TABLES}
    return {table: sorted(map(str, found)) for table, found in rows.items()}


@pytest.mark.parametrize("method", RECORDED, ids=str)
async def test_call_that_cannot_be_recorded_fails_and_changes_nothing(
    unwritable_audit_log: UnwritableAuditLog, method: Method
) -> None:
    before = await contents(unwritable_audit_log.url)

    with refused(grpc.StatusCode.INTERNAL):
        world = unwritable_audit_log.worlds[method.name]
        await call_rpc(unwritable_audit_log.channel, method.name, seed(method.name, world))

    assert await contents(unwritable_audit_log.url) == before
