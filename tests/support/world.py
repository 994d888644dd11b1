"""The resources that valid requests name: one of each kind, created by the RPCs themselves from the seeds."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from stagely.v1 import cloud_provider_pb2, environment_pb2, project_pb2, secret_pb2, team_pb2, user_pb2
from tests.support.methods import METHOD
from tests.support.seeds import seed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import grpc
    from google.protobuf.message import Message

    Renewal = Callable[[grpc.aio.Channel, "World"], Awaitable["World"]]


@dataclass(frozen=True)
class World:
    """The resources of one team."""

    team: team_pb2.Team = field(default_factory=team_pb2.Team)
    user: user_pb2.User = field(default_factory=user_pb2.User)
    provider: cloud_provider_pb2.CloudProvider = field(default_factory=cloud_provider_pb2.CloudProvider)
    project: project_pb2.Project = field(default_factory=project_pb2.Project)
    environment: environment_pb2.Environment = field(default_factory=environment_pb2.Environment)
    secret: secret_pb2.Secret = field(default_factory=secret_pb2.Secret)


def paper_world() -> World:
    """Return a world that is in no database. Its requests look valid."""
    ids = (str(uuid.UUID(int=number, version=4)) for number in range(1, 7))
    return World(
        team=team_pb2.Team(id=next(ids), slug="web", etag="0"),
        user=user_pb2.User(id=next(ids), email="ada@example.com", github_id="1", google_id="2", etag="0"),
        provider=cloud_provider_pb2.CloudProvider(id=next(ids), name="hetzner", etag="0"),
        project=project_pb2.Project(id=next(ids), slug="shop", etag="0"),
        environment=environment_pb2.Environment(id=next(ids), pr_number=1, subdomain_hash="pr-1-a", etag="0"),
        secret=secret_pb2.Secret(id=next(ids), key="TOKEN", etag="0"),
    )


async def call_rpc(channel: grpc.aio.Channel, name: str, request: Message) -> Any:
    """Call an RPC that is expected to succeed. Return its response, or the last response of a stream."""
    method = METHOD[name]
    coders = type(request).SerializeToString, method.response.FromString
    if method.is_streaming:
        return [response async for response in channel.unary_stream(method.path, *coders)(request)][-1]
    return await channel.unary_unary(method.path, *coders)(request)


async def make_world(channel: grpc.aio.Channel) -> World:
    """Create a world with new resources only."""
    world = World()
    for renew in (new_team, new_user, new_member, new_provider, new_project, new_environment, new_secret):
        world = await renew(channel, world)
    return world


async def new_team(channel: grpc.aio.Channel, world: World) -> World:
    return replace(world, team=(await _create(channel, world, "TeamService.CreateTeam")).team)


async def new_user(channel: grpc.aio.Channel, world: World) -> World:
    return replace(world, user=(await _create(channel, world, "UserService.UpsertUser")).user)


async def new_member(channel: grpc.aio.Channel, world: World) -> World:
    """Add a new user to the team, in addition to an owner, because a team can't lose its last owner."""
    owned = await new_user(channel, world)
    await _create(channel, owned, "TeamService.AddTeamMember")
    joined = await new_user(channel, world)
    member = team_pb2.AddTeamMemberRequest(team_id=joined.team.id, user_id=joined.user.id)
    await call_rpc(channel, "TeamService.AddTeamMember", member)
    return joined


async def new_provider(channel: grpc.aio.Channel, world: World) -> World:
    created = await _create(channel, world, "CloudProviderService.CreateCloudProvider")
    return replace(world, provider=created.cloud_provider)


async def new_project(channel: grpc.aio.Channel, world: World) -> World:
    return replace(world, project=(await _create(channel, world, "ProjectService.CreateProject")).project)


async def new_environment(channel: grpc.aio.Channel, world: World) -> World:
    created = await _create(channel, world, "EnvironmentService.CreateEnvironment")
    return replace(world, environment=created.environment)


async def new_secret(channel: grpc.aio.Channel, world: World) -> World:
    return replace(world, secret=(await _create(channel, world, "SecretService.SetSecret")).secret)


async def new_deleted_team(channel: grpc.aio.Channel, world: World) -> World:
    deleted = await _create(channel, await new_team(channel, world), "TeamService.DeleteTeam")
    return replace(world, team=deleted.team)


async def _create(channel: grpc.aio.Channel, world: World, name: str) -> Any:
    return await call_rpc(channel, name, seed(name, world))


RENEWED: dict[str, Renewal] = {
    "TeamService.DeleteTeam": new_team,
    "TeamService.UndeleteTeam": new_deleted_team,
    "TeamService.AddTeamMember": new_user,
    "TeamService.RemoveTeamMember": new_member,
    "UserService.DeactivateUser": new_user,
    "CloudProviderService.DeleteCloudProvider": new_provider,
    "CloudProviderService.RecordCloudProviderValidation": new_provider,
    "ProjectService.DeleteProject": new_project,
    "EnvironmentService.TransitionEnvironment": new_environment,
    "EnvironmentService.TerminateEnvironment": new_environment,
    "SecretService.DeleteSecret": new_secret,
}
"""RPCs that use up a resource when they succeed, and the function that creates a new one for the next request."""


class Renewable:
    """A world in which valid requests of one RPC succeed repeatedly."""

    def __init__(self, channel: grpc.aio.Channel, name: str, world: World) -> None:
        self._channel = channel
        self._renew = RENEWED.get(name)
        self._world = world
        self._is_used = True

    async def ready(self) -> World:
        """Return the world. If the RPC has used up a resource, create a new one first."""
        if self._is_used and self._renew:
            self._world = await self._renew(self._channel, self._world)
        self._is_used = False
        return self._world

    def use(self) -> None:
        """Note that a request succeeded. A refused request uses nothing up."""
        self._is_used = True
