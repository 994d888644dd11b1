from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from grpc import StatusCode

from stagely.v1 import team_pb2
from tests.support.refusals import refused
from tests.support.teams import make_member, make_team
from tests.support.users import make_user

if TYPE_CHECKING:
    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub
    from stagely.v1.user_pb2 import User
    from stagely.v1.user_pb2_grpc import UserServiceAsyncStub


@pytest.fixture
async def user(users: UserServiceAsyncStub) -> User:
    """A user of three teams: free, pro and a deleted one, made in this order."""
    return await make_user(users)


@pytest.fixture
async def their_teams(teams: TeamServiceAsyncStub, user: User) -> list[team_pb2.Team]:
    made = [
        await make_team(teams),
        await make_team(teams, billing_plan=team_pb2.BILLING_PLAN_PRO),
        await make_team(teams),
    ]
    for team in made:
        await make_member(teams, team, user, team_pb2.TEAM_ROLE_MEMBER)
    made[2] = (await teams.DeleteTeam(team_pb2.DeleteTeamRequest(id=made[2].id))).team
    return made


async def listed(teams: TeamServiceAsyncStub, user: User, **filters: Any) -> list[team_pb2.Team]:
    return list((await teams.ListTeams(team_pb2.ListTeamsRequest(user_id=user.id, **filters))).teams)


async def test_newest_is_first_and_deleted_ones_are_left_out(
    teams: TeamServiceAsyncStub, user: User, their_teams: list[team_pb2.Team]
) -> None:
    free, pro, _ = their_teams

    assert await listed(teams, user) == [pro, free]


async def test_deleted_ones_are_shown_when_asked_for(
    teams: TeamServiceAsyncStub, user: User, their_teams: list[team_pb2.Team]
) -> None:
    assert await listed(teams, user, show_deleted=True) == list(reversed(their_teams))


async def test_plan_is_a_filter(teams: TeamServiceAsyncStub, user: User, their_teams: list[team_pb2.Team]) -> None:
    free, pro, deleted = their_teams

    assert await listed(teams, user, billing_plan=team_pb2.BILLING_PLAN_PRO) == [pro]
    assert await listed(teams, user, billing_plan=team_pb2.BILLING_PLAN_ENTERPRISE) == []
    assert await listed(teams, user, billing_plan=team_pb2.BILLING_PLAN_FREE, show_deleted=True) == [deleted, free]


async def test_pages_continue_where_the_last_one_ended(
    teams: TeamServiceAsyncStub, user: User, their_teams: list[team_pb2.Team]
) -> None:
    request = team_pb2.ListTeamsRequest(user_id=user.id, show_deleted=True, page_size=2)
    first = await teams.ListTeams(request)
    request.page_token = first.next_page_token
    second = await teams.ListTeams(request)

    assert [*first.teams, *second.teams] == list(reversed(their_teams))
    assert first.next_page_token
    assert not second.next_page_token


async def test_page_that_is_just_full_is_the_last(
    teams: TeamServiceAsyncStub, user: User, their_teams: list[team_pb2.Team]
) -> None:
    request = team_pb2.ListTeamsRequest(user_id=user.id, show_deleted=True, page_size=len(their_teams))

    answer = await teams.ListTeams(request)

    assert len(answer.teams) == len(their_teams)
    assert answer.next_page_token == ""


async def test_stranger_is_in_no_team(teams: TeamServiceAsyncStub) -> None:
    answer = await teams.ListTeams(team_pb2.ListTeamsRequest(user_id=str(uuid.uuid4())))

    assert list(answer.teams) == []


@pytest.mark.parametrize(
    ("field", "value"), [("user_id", "me"), ("billing_plan", 99), ("page_size", -1), ("page_token", "x")]
)
async def test_malformed_filter_is_refused(teams: TeamServiceAsyncStub, field: str, value: Any) -> None:
    with refused(StatusCode.INVALID_ARGUMENT, field=field):
        await teams.ListTeams(team_pb2.ListTeamsRequest(**{field: value}))
