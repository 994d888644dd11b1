"""What a role in a team allows beyond what the policies say: ranks, oneself, and who created what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import psycopg
import pytest

from stagely.v1 import secret_pb2, team_pb2, user_pb2
from tests.support.access.policies import ROLES
from tests.support.access.stage import new_login
from tests.support.refusals import refused
from tests.support.seeds import seed
from tests.support.world import ask, make_world

if TYPE_CHECKING:
    from tests.support.access.stage import Stage
    from tests.support.world import World

ROLE = {role: team_pb2.TeamRole.Value(f"TEAM_ROLE_{role.upper()}") for role in ROLES}


@pytest.fixture
async def own_world(stage: Stage) -> World:
    """A team of its own, in which the cast has its roles."""
    world = await make_world(stage.operator)
    await stage.enlist(world.team.id)
    return world


async def new_user(stage: Stage) -> user_pb2.User:
    answer = await ask(stage.operator, "UserService.UpsertUser", new_login())
    return user_pb2.User.FromString(answer.user.SerializeToString())


async def add(stage: Stage, world: World, role: str, *, by: str | None) -> team_pb2.TeamMember:
    """Make a new user a member."""
    user = await new_user(stage)
    request = team_pb2.AddTeamMemberRequest(team_id=world.team.id, user_id=user.id, role=ROLE[role])
    answer: team_pb2.AddTeamMemberResponse = await stage.ask("TeamService.AddTeamMember", request, by)
    return answer.member


async def change(stage: Stage, member: team_pb2.TeamMember, role: str, *, by: str) -> team_pb2.TeamMember:
    request = team_pb2.UpdateTeamMemberRequest(team_id=member.team_id, user_id=member.user_id, role=ROLE[role])
    answer: team_pb2.UpdateTeamMemberResponse = await stage.ask("TeamService.UpdateTeamMember", request, by)
    return answer.member


async def remove(stage: Stage, member: team_pb2.TeamMember, *, by: str) -> None:
    request = team_pb2.RemoveTeamMemberRequest(team_id=member.team_id, user_id=member.user_id)
    await stage.ask("TeamService.RemoveTeamMember", request, by)


async def members(stage: Stage, world: World) -> list[team_pb2.TeamMember]:
    request = team_pb2.ListTeamMembersRequest(team_id=world.team.id, page_size=500)
    answer: team_pb2.ListTeamMembersResponse = await ask(stage.operator, "TeamService.ListTeamMembers", request)
    return list(answer.members)


@pytest.mark.parametrize("role", ["viewer", "member", "admin"])
async def test_an_admin_manages_members_up_to_its_own_rank(stage: Stage, own_world: World, role: str) -> None:
    admin = stage.cast["admin"]

    member = await add(stage, own_world, role, by=admin)
    changed = await change(stage, member, "admin", by=admin)
    await remove(stage, changed, by=admin)

    assert (member.role, changed.role) == (ROLE[role], ROLE["admin"])
    assert member.user_id not in [left.user_id for left in await members(stage, own_world)]


async def test_an_admin_makes_no_owner(stage: Stage, own_world: World) -> None:
    admin, member = stage.cast["admin"], await add(stage, own_world, "member", by=None)
    before = await members(stage, own_world)

    with refused(grpc.StatusCode.PERMISSION_DENIED, reason="ROLE_ABOVE_OWN"):
        await add(stage, own_world, "owner", by=admin)
    with refused(grpc.StatusCode.PERMISSION_DENIED, reason="ROLE_ABOVE_OWN"):
        await change(stage, member, "owner", by=admin)
    with refused(grpc.StatusCode.PERMISSION_DENIED, reason="ROLE_ABOVE_OWN"):
        own = team_pb2.TeamMember(team_id=own_world.team.id, user_id=admin)
        await change(stage, own, "owner", by=admin)

    assert await members(stage, own_world) == before


async def test_an_admin_touches_no_owner(stage: Stage, own_world: World) -> None:
    admin, owner = stage.cast["admin"], await add(stage, own_world, "owner", by=None)
    before = await members(stage, own_world)

    with refused(grpc.StatusCode.PERMISSION_DENIED, reason="ROLE_ABOVE_OWN"):
        await change(stage, owner, "member", by=admin)
    with refused(grpc.StatusCode.PERMISSION_DENIED, reason="ROLE_ABOVE_OWN"):
        await remove(stage, owner, by=admin)

    assert await members(stage, own_world) == before


async def test_an_owner_makes_and_unmakes_owners(stage: Stage, own_world: World) -> None:
    owner = stage.cast["owner"]

    other = await add(stage, own_world, "owner", by=owner)
    assert (await change(stage, other, "viewer", by=owner)).role == ROLE["viewer"]
    await remove(stage, other, by=owner)


async def test_who_leaves_a_team_has_no_more_to_say_in_it(stage: Stage, own_world: World) -> None:
    owner = stage.cast["owner"]
    await remove(stage, team_pb2.TeamMember(team_id=own_world.team.id, user_id=owner), by=owner)

    with refused(grpc.StatusCode.NOT_FOUND):
        await add(stage, own_world, "viewer", by=owner)


async def test_a_user_owns_the_team_that_it_creates(stage: Stage, own_world: World) -> None:
    user = await new_user(stage)

    answer = await stage.ask("TeamService.CreateTeam", seed("TeamService.CreateTeam", own_world), user.id)
    (owner,) = (
        await stage.ask("TeamService.ListTeamMembers", team_pb2.ListTeamMembersRequest(team_id=answer.team.id), user.id)
    ).members

    assert (owner.user_id, owner.role) == (user.id, ROLE["owner"])


async def test_a_service_creates_a_team_without_members(stage: Stage, own_world: World) -> None:
    answer = await stage.ask("TeamService.CreateTeam", seed("TeamService.CreateTeam", own_world))
    request = team_pb2.ListTeamMembersRequest(team_id=answer.team.id)

    assert not (await stage.ask("TeamService.ListTeamMembers", request)).members


@pytest.mark.parametrize("acting_for", ["the user itself", "viewer"])
async def test_a_user_is_shown_to_itself_and_its_teammates(stage: Stage, own_world: World, acting_for: str) -> None:
    user = own_world.user
    acting = stage.cast.get(acting_for, user.id)

    for key in ({"id": user.id}, {"email": user.email}, {"github_id": user.github_id}):
        assert (await stage.ask("UserService.GetUser", user_pb2.GetUserRequest(**key), acting)).user.id == user.id


async def test_a_user_is_shown_to_no_stranger(stage: Stage, own_world: World) -> None:
    user = own_world.user

    for key in ({"id": user.id}, {"email": user.email}, {"github_id": user.github_id}):
        with refused(grpc.StatusCode.NOT_FOUND):
            await stage.ask("UserService.GetUser", user_pb2.GetUserRequest(**key), stage.cast["member of no team"])


async def test_a_user_changes_itself_alone(stage: Stage, own_world: World) -> None:
    change_of_name = user_pb2.UpdateUserRequest(id=own_world.user.id, name="Augusta")

    with refused(grpc.StatusCode.NOT_FOUND):
        await stage.ask("UserService.UpdateUser", change_of_name, stage.cast["owner"])
    changed = await stage.ask("UserService.UpdateUser", change_of_name, own_world.user.id)

    assert changed.user.name == "Augusta"


async def test_no_user_signs_with_another_name(stage: Stage, own_world: World) -> None:
    request = seed("SecretService.SetSecret", own_world)
    assert isinstance(request, secret_pb2.SetSecretRequest)

    for other in (own_world.user.id, stage.cast["another team's owner"]):
        request.created_by = other
        with refused(grpc.StatusCode.PERMISSION_DENIED, reason="ANOTHER_USER"):
            await stage.ask("SecretService.SetSecret", request, stage.cast["admin"])


@pytest.mark.parametrize("is_named", [True, False])
async def test_what_a_user_creates_is_signed_with_its_name(stage: Stage, own_world: World, *, is_named: bool) -> None:
    request = seed("SecretService.SetSecret", own_world)
    assert isinstance(request, secret_pb2.SetSecretRequest)
    request.ClearField("created_by")
    if is_named:
        request.created_by = stage.cast["admin"]

    answer = await stage.ask("SecretService.SetSecret", request, stage.cast["admin"])

    assert answer.secret.created_by == stage.cast["admin"]


async def test_the_address_of_a_deactivated_stranger_is_not_told(stage: Stage, own_world: World) -> None:
    stranger = await new_user(stage)
    await ask(stage.operator, "UserService.DeactivateUser", user_pb2.DeactivateUserRequest(id=stranger.id))
    request = team_pb2.AddTeamMemberRequest(team_id=own_world.team.id, user_id=stranger.id)

    with refused(grpc.StatusCode.FAILED_PRECONDITION, reason="USER_DEACTIVATED") as refusal:
        await stage.ask("TeamService.AddTeamMember", request, stage.cast["owner"])

    assert stranger.email not in str(refusal)


async def test_a_user_who_is_deactivated_is_acted_for_no_more(stage: Stage, own_world: World) -> None:
    user, request = own_world.user, team_pb2.GetTeamRequest(id=own_world.team.id)
    assert (await stage.ask("TeamService.GetTeam", request, user.id)).team.id == own_world.team.id

    await ask(stage.operator, "UserService.DeactivateUser", user_pb2.DeactivateUserRequest(id=user.id))

    with refused(grpc.StatusCode.PERMISSION_DENIED, reason="ACTING_USER_DEACTIVATED"):
        await stage.ask("TeamService.GetTeam", request, user.id)


async def test_a_role_in_one_team_is_none_in_another(stage: Stage, own_world: World) -> None:
    """A user who is an admin here and a viewer there: what is refused there is refused by the role there."""
    there = await make_world(stage.operator)
    user = stage.cast["admin"]
    async with await psycopg.AsyncConnection.connect(stage.database_url) as connection:
        await connection.execute(
            "INSERT INTO team_members (team_id, user_id, role) VALUES (%s, %s, 'viewer')", [there.team.id, user]
        )

    assert (
        await stage.ask("ProjectService.CreateProject", seed("ProjectService.CreateProject", own_world), user)
    ).project
    with refused(grpc.StatusCode.PERMISSION_DENIED, reason="ROLE_MISSING"):
        await stage.ask("ProjectService.CreateProject", seed("ProjectService.CreateProject", there), user)
