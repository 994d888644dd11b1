from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import grpc
import pytest
from grpc import StatusCode

from stagely.v1 import team_pb2, team_pb2_grpc, user_pb2
from tests.support.refusals import refusal_of, refused
from tests.support.rpc import connected
from tests.support.teams import make_member, make_team
from tests.support.users import make_user

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub
    from stagely.v1.user_pb2_grpc import UserServiceAsyncStub
    from stagely_rpc.server.server import Server

OWNER, ADMIN, MEMBER, VIEWER = (
    team_pb2.TEAM_ROLE_OWNER,
    team_pb2.TEAM_ROLE_ADMIN,
    team_pb2.TEAM_ROLE_MEMBER,
    team_pb2.TEAM_ROLE_VIEWER,
)


async def roles_of(teams: TeamServiceAsyncStub, team: team_pb2.Team) -> dict[str, int]:
    listed = await teams.ListTeamMembers(team_pb2.ListTeamMembersRequest(team_id=team.id))
    return {member.user_id: member.role for member in listed.members}


async def test_new_member_is_a_member_by_default(teams: TeamServiceAsyncStub, users: UserServiceAsyncStub) -> None:
    team, user = await make_team(teams), await make_user(users)

    request = team_pb2.AddTeamMemberRequest(team_id=team.id, user_id=user.id)
    member = (await teams.AddTeamMember(request)).member

    assert (member.team_id, member.user_id, member.role) == (team.id, user.id, MEMBER)
    assert member.id
    assert member.etag
    assert member.HasField("created_at")
    assert await roles_of(teams, team) == {user.id: MEMBER}


async def test_existing_member_is_refused(teams: TeamServiceAsyncStub, users: UserServiceAsyncStub) -> None:
    team, user = await make_team(teams), await make_user(users)
    await make_member(teams, team, user, ADMIN)

    with refused(StatusCode.ALREADY_EXISTS, reason="TEAM_MEMBER_EXISTS"):
        await make_member(teams, team, user, OWNER)

    assert await roles_of(teams, team) == {user.id: ADMIN}


async def test_unknown_team_and_unknown_user_are_not_found(
    teams: TeamServiceAsyncStub, users: UserServiceAsyncStub
) -> None:
    team, user, unknown = await make_team(teams), await make_user(users), str(uuid.uuid4())

    for team_id, user_id, missing in ((unknown, user.id, "Team"), (team.id, unknown, "User")):
        with refused(StatusCode.NOT_FOUND) as refusal:
            await teams.AddTeamMember(team_pb2.AddTeamMemberRequest(team_id=team_id, user_id=user_id))
        assert refusal.details["ResourceInfo"].resource_type == f"stagely.v1.{missing}"


async def test_deactivated_user_is_refused(teams: TeamServiceAsyncStub, users: UserServiceAsyncStub) -> None:
    team, user = await make_team(teams), await make_user(users)
    await users.DeactivateUser(user_pb2.DeactivateUserRequest(id=user.id))

    with refused(StatusCode.FAILED_PRECONDITION, reason="USER_DEACTIVATED"):
        await make_member(teams, team, user, MEMBER)


async def test_members_of_a_deleted_team_cannot_change(
    teams: TeamServiceAsyncStub, users: UserServiceAsyncStub
) -> None:
    team, user, other = await make_team(teams), await make_user(users), await make_user(users)
    await make_member(teams, team, user, MEMBER)
    await teams.DeleteTeam(team_pb2.DeleteTeamRequest(id=team.id))

    for call in (
        make_member(teams, team, other, MEMBER),
        teams.UpdateTeamMember(team_pb2.UpdateTeamMemberRequest(team_id=team.id, user_id=user.id, role=ADMIN)),
        teams.RemoveTeamMember(team_pb2.RemoveTeamMemberRequest(team_id=team.id, user_id=user.id)),
    ):
        with refused(StatusCode.FAILED_PRECONDITION, reason="TEAM_DELETED"):
            await call

    assert await roles_of(teams, team) == {user.id: MEMBER}


@pytest.mark.parametrize("role", [OWNER, ADMIN, MEMBER, VIEWER])
async def test_member_role_is_updated(
    teams: TeamServiceAsyncStub, users: UserServiceAsyncStub, role: team_pb2.TeamRole.ValueType
) -> None:
    team, user, owner = await make_team(teams), await make_user(users), await make_user(users)
    await make_member(teams, team, owner, OWNER)
    before = await make_member(teams, team, user, VIEWER if role != VIEWER else ADMIN)

    request = team_pb2.UpdateTeamMemberRequest(team_id=team.id, user_id=user.id, role=role, etag=before.etag)
    after = (await teams.UpdateTeamMember(request)).member

    assert after.role == role
    assert after.etag != before.etag
    with refused(StatusCode.ABORTED, reason="ETAG_STALE"):
        await teams.UpdateTeamMember(request)
    with refused(StatusCode.ABORTED, reason="ETAG_STALE"):
        await teams.RemoveTeamMember(
            team_pb2.RemoveTeamMemberRequest(team_id=team.id, user_id=user.id, etag=before.etag)
        )


@pytest.mark.parametrize("role", [0, 99])
async def test_invalid_role_is_refused(
    teams: TeamServiceAsyncStub, users: UserServiceAsyncStub, role: team_pb2.TeamRole.ValueType
) -> None:
    team, user = await make_team(teams), await make_user(users)
    await make_member(teams, team, user, MEMBER)

    with refused(StatusCode.INVALID_ARGUMENT, field="role"):
        await teams.UpdateTeamMember(team_pb2.UpdateTeamMemberRequest(team_id=team.id, user_id=user.id, role=role))


async def test_user_outside_the_team_is_not_found(teams: TeamServiceAsyncStub, users: UserServiceAsyncStub) -> None:
    team, stranger = await make_team(teams), await make_user(users)

    for call in (
        teams.UpdateTeamMember(team_pb2.UpdateTeamMemberRequest(team_id=team.id, user_id=stranger.id, role=ADMIN)),
        teams.RemoveTeamMember(team_pb2.RemoveTeamMemberRequest(team_id=team.id, user_id=stranger.id)),
    ):
        with refused(StatusCode.NOT_FOUND) as refusal:
            await call
        assert refusal.details["ResourceInfo"].resource_type == "stagely.v1.TeamMember"


async def test_removed_member_is_gone(teams: TeamServiceAsyncStub, users: UserServiceAsyncStub) -> None:
    team, user = await make_team(teams), await make_user(users)
    await make_member(teams, team, user, ADMIN)

    await teams.RemoveTeamMember(team_pb2.RemoveTeamMemberRequest(team_id=team.id, user_id=user.id))

    assert await roles_of(teams, team) == {}


async def test_last_owner_cannot_be_demoted_or_removed(
    teams: TeamServiceAsyncStub, users: UserServiceAsyncStub
) -> None:
    team, owner, admin = await make_team(teams), await make_user(users), await make_user(users)
    await make_member(teams, team, owner, OWNER)
    await make_member(teams, team, admin, ADMIN)
    demotion = team_pb2.UpdateTeamMemberRequest(team_id=team.id, user_id=owner.id, role=ADMIN)
    removal = team_pb2.RemoveTeamMemberRequest(team_id=team.id, user_id=owner.id)

    for call in (teams.UpdateTeamMember(demotion), teams.RemoveTeamMember(removal)):
        with refused(StatusCode.FAILED_PRECONDITION, reason="LAST_OWNER"):
            await call
    promotion = team_pb2.UpdateTeamMemberRequest(team_id=team.id, user_id=admin.id, role=OWNER)
    await teams.UpdateTeamMember(promotion)
    await teams.RemoveTeamMember(removal)

    assert await roles_of(teams, team) == {admin.id: OWNER}


async def outcome(call: Awaitable[object]) -> str:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return refusal_of(error).reason
    return "done"


async def test_one_owner_stays_when_all_owners_leave_at_once(
    server: Server, teams: TeamServiceAsyncStub, users: UserServiceAsyncStub
) -> None:
    """Ten parallel calls, each on its own connection, demote five owners and remove five."""
    team = await make_team(teams)
    owners = [await make_user(users) for _ in range(10)]
    for owner in owners:
        await make_member(teams, team, owner, OWNER)

    async with AsyncExitStack() as stack:
        stubs = [
            team_pb2_grpc.TeamServiceStub(await stack.enter_async_context(connected(server)))
            for _ in range(len(owners))
        ]
        outcomes = await asyncio.gather(
            *(
                outcome(stub.RemoveTeamMember(team_pb2.RemoveTeamMemberRequest(team_id=team.id, user_id=owner.id)))
                for stub, owner in zip(stubs[:5], owners[:5], strict=True)
            ),
            *(
                outcome(
                    stub.UpdateTeamMember(
                        team_pb2.UpdateTeamMemberRequest(team_id=team.id, user_id=owner.id, role=VIEWER)
                    )
                )
                for stub, owner in zip(stubs[5:], owners[5:], strict=True)
            ),
        )

    assert Counter(outcomes) == {"done": 9, "LAST_OWNER": 1}
    assert Counter((await roles_of(teams, team)).values())[OWNER] == 1


async def test_members_are_filtered_by_role(teams: TeamServiceAsyncStub, users: UserServiceAsyncStub) -> None:
    team, owner, viewer = await make_team(teams), await make_user(users), await make_user(users)
    await make_member(teams, team, owner, OWNER)
    await make_member(teams, team, viewer, VIEWER)

    listed = await teams.ListTeamMembers(team_pb2.ListTeamMembersRequest(team_id=team.id, role=VIEWER))

    assert [member.user_id for member in listed.members] == [viewer.id]


async def test_members_of_an_unknown_team_are_not_found(teams: TeamServiceAsyncStub) -> None:
    with refused(StatusCode.NOT_FOUND):
        await teams.ListTeamMembers(team_pb2.ListTeamMembersRequest(team_id=str(uuid.uuid4())))


async def test_team_without_members_has_an_empty_list(teams: TeamServiceAsyncStub) -> None:
    team = await make_team(teams)

    assert await roles_of(teams, team) == {}
