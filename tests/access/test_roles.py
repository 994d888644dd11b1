"""Rules beyond the policies: ranks of roles, access to one's own user, and the creator of a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import psycopg
import pytest

from stagely.v1 import secret_pb2, team_pb2, user_pb2
from tests.support.access.auth_server import new_login
from tests.support.access.policies import ROLES
from tests.support.refusals import refused
from tests.support.seeds import seed
from tests.support.world import call_rpc, make_world

if TYPE_CHECKING:
    from tests.support.access.auth_server import AuthServer
    from tests.support.world import World

ROLE = {role: team_pb2.TeamRole.Value(f"TEAM_ROLE_{role.upper()}") for role in ROLES}


@pytest.fixture
async def own_world(auth_server: AuthServer) -> World:
    """A new team and its resources. Each user of the auth server has their role in it."""
    world = await make_world(auth_server.operator)
    await auth_server.add_members(world.team.id)
    return world


async def new_user(auth_server: AuthServer) -> user_pb2.User:
    answer = await call_rpc(auth_server.operator, "UserService.UpsertUser", new_login())
    return user_pb2.User.FromString(answer.user.SerializeToString())


async def add(auth_server: AuthServer, world: World, role: str, *, by: str | None) -> team_pb2.TeamMember:
    """Add a new user to the team."""
    user = await new_user(auth_server)
    request = team_pb2.AddTeamMemberRequest(team_id=world.team.id, user_id=user.id, role=ROLE[role])
    answer: team_pb2.AddTeamMemberResponse = await auth_server.call("TeamService.AddTeamMember", request, by)
    return answer.member


async def change(auth_server: AuthServer, member: team_pb2.TeamMember, role: str, *, by: str) -> team_pb2.TeamMember:
    request = team_pb2.UpdateTeamMemberRequest(team_id=member.team_id, user_id=member.user_id, role=ROLE[role])
    answer: team_pb2.UpdateTeamMemberResponse = await auth_server.call("TeamService.UpdateTeamMember", request, by)
    return answer.member


async def remove(auth_server: AuthServer, member: team_pb2.TeamMember, *, by: str) -> None:
    request = team_pb2.RemoveTeamMemberRequest(team_id=member.team_id, user_id=member.user_id)
    await auth_server.call("TeamService.RemoveTeamMember", request, by)


async def members(auth_server: AuthServer, world: World) -> list[team_pb2.TeamMember]:
    request = team_pb2.ListTeamMembersRequest(team_id=world.team.id, page_size=500)
    answer: team_pb2.ListTeamMembersResponse = await call_rpc(
        auth_server.operator, "TeamService.ListTeamMembers", request
    )
    return list(answer.members)


@pytest.mark.parametrize("role", ["viewer", "member", "admin"])
async def test_admin_manages_members_up_to_own_rank(auth_server: AuthServer, own_world: World, role: str) -> None:
    admin = auth_server.user_ids["admin"]

    member = await add(auth_server, own_world, role, by=admin)
    changed = await change(auth_server, member, "admin", by=admin)
    await remove(auth_server, changed, by=admin)

    assert (member.role, changed.role) == (ROLE[role], ROLE["admin"])
    assert member.user_id not in [left.user_id for left in await members(auth_server, own_world)]


async def test_admin_cannot_make_an_owner(auth_server: AuthServer, own_world: World) -> None:
    admin, member = auth_server.user_ids["admin"], await add(auth_server, own_world, "member", by=None)
    before = await members(auth_server, own_world)

    with refused(grpc.StatusCode.PERMISSION_DENIED, reason="ROLE_ABOVE_OWN"):
        await add(auth_server, own_world, "owner", by=admin)
    with refused(grpc.StatusCode.PERMISSION_DENIED, reason="ROLE_ABOVE_OWN"):
        await change(auth_server, member, "owner", by=admin)
    with refused(grpc.StatusCode.PERMISSION_DENIED, reason="ROLE_ABOVE_OWN"):
        own = team_pb2.TeamMember(team_id=own_world.team.id, user_id=admin)
        await change(auth_server, own, "owner", by=admin)

    assert await members(auth_server, own_world) == before


async def test_admin_cannot_demote_or_remove_an_owner(auth_server: AuthServer, own_world: World) -> None:
    admin, owner = auth_server.user_ids["admin"], await add(auth_server, own_world, "owner", by=None)
    before = await members(auth_server, own_world)

    with refused(grpc.StatusCode.PERMISSION_DENIED, reason="ROLE_ABOVE_OWN"):
        await change(auth_server, owner, "member", by=admin)
    with refused(grpc.StatusCode.PERMISSION_DENIED, reason="ROLE_ABOVE_OWN"):
        await remove(auth_server, owner, by=admin)

    assert await members(auth_server, own_world) == before


async def test_owner_adds_demotes_and_removes_owners(auth_server: AuthServer, own_world: World) -> None:
    owner = auth_server.user_ids["owner"]

    other = await add(auth_server, own_world, "owner", by=owner)
    assert (await change(auth_server, other, "viewer", by=owner)).role == ROLE["viewer"]
    await remove(auth_server, other, by=owner)


async def test_former_owner_cannot_add_members(auth_server: AuthServer, own_world: World) -> None:
    owner = auth_server.user_ids["owner"]
    await remove(auth_server, team_pb2.TeamMember(team_id=own_world.team.id, user_id=owner), by=owner)

    with refused(grpc.StatusCode.NOT_FOUND):
        await add(auth_server, own_world, "viewer", by=owner)


async def test_user_owns_the_team_that_they_create(auth_server: AuthServer, own_world: World) -> None:
    user = await new_user(auth_server)

    answer = await auth_server.call("TeamService.CreateTeam", seed("TeamService.CreateTeam", own_world), user.id)
    (owner,) = (
        await auth_server.call(
            "TeamService.ListTeamMembers", team_pb2.ListTeamMembersRequest(team_id=answer.team.id), user.id
        )
    ).members

    assert (owner.user_id, owner.role) == (user.id, ROLE["owner"])


async def test_team_created_by_a_service_has_no_members(auth_server: AuthServer, own_world: World) -> None:
    answer = await auth_server.call("TeamService.CreateTeam", seed("TeamService.CreateTeam", own_world))
    request = team_pb2.ListTeamMembersRequest(team_id=answer.team.id)

    assert not (await auth_server.call("TeamService.ListTeamMembers", request)).members


@pytest.mark.parametrize("acting_for", ["the user itself", "viewer"])
async def test_user_is_visible_to_self_and_teammates(
    auth_server: AuthServer, own_world: World, acting_for: str
) -> None:
    user = own_world.user
    acting = auth_server.user_ids.get(acting_for, user.id)

    for key in ({"id": user.id}, {"email": user.email}, {"github_id": user.github_id}):
        assert (
            await auth_server.call("UserService.GetUser", user_pb2.GetUserRequest(**key), acting)
        ).user.id == user.id


async def test_user_is_not_visible_to_strangers(auth_server: AuthServer, own_world: World) -> None:
    user = own_world.user

    for key in ({"id": user.id}, {"email": user.email}, {"github_id": user.github_id}):
        with refused(grpc.StatusCode.NOT_FOUND):
            await auth_server.call(
                "UserService.GetUser", user_pb2.GetUserRequest(**key), auth_server.user_ids["member of no team"]
            )


async def test_user_can_change_only_their_own_account(auth_server: AuthServer, own_world: World) -> None:
    change_of_name = user_pb2.UpdateUserRequest(id=own_world.user.id, name="Augusta")

    with refused(grpc.StatusCode.NOT_FOUND):
        await auth_server.call("UserService.UpdateUser", change_of_name, auth_server.user_ids["owner"])
    changed = await auth_server.call("UserService.UpdateUser", change_of_name, own_world.user.id)

    assert changed.user.name == "Augusta"


async def test_user_cannot_name_another_user_as_creator(auth_server: AuthServer, own_world: World) -> None:
    request = seed("SecretService.SetSecret", own_world)
    assert isinstance(request, secret_pb2.SetSecretRequest)

    for other in (own_world.user.id, auth_server.user_ids["another team's owner"]):
        request.created_by = other
        with refused(grpc.StatusCode.PERMISSION_DENIED, reason="ANOTHER_USER"):
            await auth_server.call("SecretService.SetSecret", request, auth_server.user_ids["admin"])


@pytest.mark.parametrize("is_named", [True, False])
async def test_acting_user_is_the_creator(auth_server: AuthServer, own_world: World, *, is_named: bool) -> None:
    request = seed("SecretService.SetSecret", own_world)
    assert isinstance(request, secret_pb2.SetSecretRequest)
    request.ClearField("created_by")
    if is_named:
        request.created_by = auth_server.user_ids["admin"]

    answer = await auth_server.call("SecretService.SetSecret", request, auth_server.user_ids["admin"])

    assert answer.secret.created_by == auth_server.user_ids["admin"]


async def test_refusal_does_not_show_the_address_of_a_deactivated_stranger(
    auth_server: AuthServer, own_world: World
) -> None:
    stranger = await new_user(auth_server)
    await call_rpc(auth_server.operator, "UserService.DeactivateUser", user_pb2.DeactivateUserRequest(id=stranger.id))
    request = team_pb2.AddTeamMemberRequest(team_id=own_world.team.id, user_id=stranger.id)

    with refused(grpc.StatusCode.FAILED_PRECONDITION, reason="USER_DEACTIVATED") as refusal:
        await auth_server.call("TeamService.AddTeamMember", request, auth_server.user_ids["owner"])

    assert stranger.email not in str(refusal)


async def test_acting_for_a_deactivated_user_is_refused(auth_server: AuthServer, own_world: World) -> None:
    user, request = own_world.user, team_pb2.GetTeamRequest(id=own_world.team.id)
    assert (await auth_server.call("TeamService.GetTeam", request, user.id)).team.id == own_world.team.id

    await call_rpc(auth_server.operator, "UserService.DeactivateUser", user_pb2.DeactivateUserRequest(id=user.id))

    with refused(grpc.StatusCode.PERMISSION_DENIED, reason="ACTING_USER_DEACTIVATED"):
        await auth_server.call("TeamService.GetTeam", request, user.id)


async def test_role_in_one_team_does_not_count_in_another(auth_server: AuthServer, own_world: World) -> None:
    """An admin of one team who is a viewer of another is refused in the other because of the viewer role."""
    other_world = await make_world(auth_server.operator)
    user = auth_server.user_ids["admin"]
    async with await psycopg.AsyncConnection.connect(auth_server.database_url) as connection:
        await connection.execute(
            "INSERT INTO team_members (team_id, user_id, role) VALUES (%s, %s, 'viewer')", [other_world.team.id, user]
        )

    assert (
        await auth_server.call("ProjectService.CreateProject", seed("ProjectService.CreateProject", own_world), user)
    ).project
    with refused(grpc.StatusCode.PERMISSION_DENIED, reason="ROLE_MISSING"):
        await auth_server.call("ProjectService.CreateProject", seed("ProjectService.CreateProject", other_world), user)
