"""Every RPC that writes needs at most two round trips, and its response equals the stored resource."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, cast

import pytest

from stagely.v1 import cloud_provider_pb2, environment_pb2, project_pb2, secret_pb2, team_pb2, user_pb2
from stagely_rpc.db.driver.pipeline import BEGIN
from tests.support.access.requests import request_of
from tests.support.methods import METHODS
from tests.support.rpc import connected, running_server
from tests.support.statements import round_trips
from tests.support.world import Renewable, call_rpc, make_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import grpc
    from google.protobuf.message import Message

    from tests.support.methods import Method
    from tests.support.postgres import PostgresServer
    from tests.support.world import World

WRITES = [method for method in METHODS if method.changes_something and not method.is_streaming]
READS_OF_SECRETS = [
    method
    for method in METHODS
    if method.name
    in {
        "SecretService.AccessSecret",
        "SecretService.ResolveSecrets",
        "CloudProviderService.AccessCloudProviderCredentials",
    }
]
GETTERS: dict[type[Message], tuple[str, type[Message], str]] = {
    team_pb2.Team: ("TeamService.GetTeam", team_pb2.GetTeamRequest, "team"),
    user_pb2.User: ("UserService.GetUser", user_pb2.GetUserRequest, "user"),
    project_pb2.Project: ("ProjectService.GetProject", project_pb2.GetProjectRequest, "project"),
    cloud_provider_pb2.CloudProvider: (
        "CloudProviderService.GetCloudProvider",
        cloud_provider_pb2.GetCloudProviderRequest,
        "cloud_provider",
    ),
    environment_pb2.Environment: (
        "EnvironmentService.GetEnvironment",
        environment_pb2.GetEnvironmentRequest,
        "environment",
    ),
    secret_pb2.Secret: ("SecretService.GetSecret", secret_pb2.GetSecretRequest, "secret"),
}


@pytest.fixture(scope="module")
async def channel(postgres_server: PostgresServer, template_database: str) -> AsyncIterator[grpc.aio.Channel]:
    url = postgres_server.create_database(template_database)
    async with running_server(url) as server, connected(server) as channel:
        yield channel
    postgres_server.drop_database(url)


@pytest.fixture(scope="module")
async def world(channel: grpc.aio.Channel) -> World:
    return await make_world(channel)


def new_request(method: Method, world: World) -> Any:
    """Return a request, with a `request_id` if the RPC writes."""
    request: Any = request_of(method, world, 0)
    if method.changes_something:
        request.request_id = str(uuid.uuid4())
    return request


async def stored(channel: grpc.aio.Channel, resource: Any) -> Message:
    """Return the stored resource from its Get or List RPC."""
    if isinstance(resource, team_pb2.TeamMember):
        members = team_pb2.ListTeamMembersRequest(team_id=resource.team_id)
        listed = await call_rpc(channel, "TeamService.ListTeamMembers", members)
        return cast("Message", next(member for member in listed.members if member.id == resource.id))
    getter, request, field = GETTERS[type(resource)]
    answer: Any = await call_rpc(channel, getter, cast("Any", request)(id=resource.id))
    return cast("Message", getattr(answer, field))


@pytest.mark.parametrize("method", [*WRITES, *READS_OF_SECRETS], ids=str)
async def test_call_needs_at_most_two_round_trips(
    channel: grpc.aio.Channel, world: World, method: Method, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewable = Renewable(channel, method.name, world)
    for _ in range(2):
        fresh = await renewable.ready()
        with round_trips(monkeypatch) as made:
            await call_rpc(channel, method.name, new_request(method, fresh))
        renewable.use()

        assert len(made) <= 2, made
        assert not method.changes_something or (made[0][0], made[-1][-1]) == (BEGIN.decode(), "COMMIT")


@pytest.mark.parametrize("method", WRITES, ids=str)
async def test_response_equals_the_stored_resource(channel: grpc.aio.Channel, world: World, method: Method) -> None:
    """The response is built before the database writes, so it must predict the stored row."""
    renewable = Renewable(channel, method.name, world)
    for _ in range(2):
        fresh = await renewable.ready()
        answer = await call_rpc(channel, method.name, new_request(method, fresh))
        renewable.use()

        for field, value in answer.ListFields():
            if field.message_type is not None:
                assert await stored(channel, value) == value
