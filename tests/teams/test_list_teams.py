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
    """A user without a team. `user_teams` adds three."""
    return await make_user(users)


@pytest.fixture
async def user_teams(teams: TeamServiceAsyncStub, user: User) -> list[team_pb2.Team]:
    """The user's three teams, oldest first: free, pro, and deleted."""
    created = [
        await make_team(teams),
        await make_team(teams, billing_plan=team_pb2.BILLING_PLAN_PRO),
        await make_team(teams),
    ]
    for team in created:
        await make_member(teams, team, user, team_pb2.TEAM_ROLE_MEMBER)
    created[2] = (await teams.DeleteTeam(team_pb2.DeleteTeamRequest(id=created[2].id))).team
    return created


async def list_teams(teams: TeamServiceAsyncStub, user: User, **filters: Any) -> list[team_pb2.Team]:
    return list((await teams.ListTeams(team_pb2.ListTeamsRequest(user_id=user.id, **filters))).teams)


async def test_list_is_newest_first_without_deleted_teams(
    teams: TeamServiceAsyncStub, user: User, user_teams: list[team_pb2.Team]
) -> None:
    free, pro, _ = user_teams

    assert await list_teams(teams, user) == [pro, free]


async def test_show_deleted_includes_deleted_teams(
    teams: TeamServiceAsyncStub, user: User, user_teams: list[team_pb2.Team]
) -> None:
    assert await list_teams(teams, user, show_deleted=True) == list(reversed(user_teams))


async def test_teams_are_filtered_by_billing_plan(
    teams: TeamServiceAsyncStub, user: User, user_teams: list[team_pb2.Team]
) -> None:
    free, pro, deleted = user_teams

    assert await list_teams(teams, user, billing_plan=team_pb2.BILLING_PLAN_PRO) == [pro]
    assert await list_teams(teams, user, billing_plan=team_pb2.BILLING_PLAN_ENTERPRISE) == []
    assert await list_teams(teams, user, billing_plan=team_pb2.BILLING_PLAN_FREE, show_deleted=True) == [deleted, free]


async def test_next_page_continues_after_the_previous_one(
    teams: TeamServiceAsyncStub, user: User, user_teams: list[team_pb2.Team]
) -> None:
    request = team_pb2.ListTeamsRequest(user_id=user.id, show_deleted=True, page_size=2)
    first = await teams.ListTeams(request)
    request.page_token = first.next_page_token
    second = await teams.ListTeams(request)

    assert [*first.teams, *second.teams] == list(reversed(user_teams))
    assert first.next_page_token
    assert not second.next_page_token


async def test_full_last_page_has_no_next_page_token(
    teams: TeamServiceAsyncStub, user: User, user_teams: list[team_pb2.Team]
) -> None:
    request = team_pb2.ListTeamsRequest(user_id=user.id, show_deleted=True, page_size=len(user_teams))

    answer = await teams.ListTeams(request)

    assert len(answer.teams) == len(user_teams)
    assert answer.next_page_token == ""


async def test_unknown_user_has_no_teams(teams: TeamServiceAsyncStub) -> None:
    answer = await teams.ListTeams(team_pb2.ListTeamsRequest(user_id=str(uuid.uuid4())))

    assert list(answer.teams) == []


@pytest.mark.parametrize(
    ("field", "value"), [("user_id", "me"), ("billing_plan", 99), ("page_size", -1), ("page_token", "x")]
)
async def test_malformed_filter_is_refused(teams: TeamServiceAsyncStub, field: str, value: Any) -> None:
    with refused(StatusCode.INVALID_ARGUMENT, field=field):
        await teams.ListTeams(team_pb2.ListTeamsRequest(**{field: value}))
