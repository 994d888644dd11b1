from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from stagely.v1 import environment_pb2, team_pb2
from tests.support.environments import (
    LIVE,
    STATUSES,
    insert_environment,
    make_environment,
    make_project,
    number_of,
    status_of,
    team_of,
)
from tests.support.refusals import refused

if TYPE_CHECKING:
    from stagely.v1.environment_pb2_grpc import EnvironmentServiceAsyncStub
    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub


async def list_environments(
    environments: EnvironmentServiceAsyncStub, **request: Any
) -> environment_pb2.ListEnvironmentsResponse:
    return await environments.ListEnvironments(environment_pb2.ListEnvironmentsRequest(**request))


async def ids_of(environments: EnvironmentServiceAsyncStub, **request: Any) -> list[str]:
    return [environment.id for environment in (await list_environments(environments, **request)).environments]


async def test_list_is_newest_first(environments: EnvironmentServiceAsyncStub, project_id: str) -> None:
    made = [await make_environment(environments, project_id) for _ in range(3)]

    found = await list_environments(environments, project_id=project_id)

    assert list(found.environments) == made[::-1]
    assert found.next_page_token == ""


async def test_pages_contain_every_environment_once(environments: EnvironmentServiceAsyncStub, project_id: str) -> None:
    made = [(await make_environment(environments, project_id)).id for _ in range(5)]

    found, token = [], ""
    for size in (2, 1, 500):
        page = await list_environments(environments, project_id=project_id, page_size=size, page_token=token)
        assert len(page.environments) <= size
        found += [environment.id for environment in page.environments]
        token = page.next_page_token

    assert found == made[::-1]
    assert token == ""


async def test_page_token_with_other_filters_or_a_changed_character_is_refused(
    environments: EnvironmentServiceAsyncStub, project_id: str
) -> None:
    for _ in range(2):
        await make_environment(environments, project_id)
    token = (await list_environments(environments, project_id=project_id, page_size=1)).next_page_token
    assert token

    with refused(grpc.StatusCode.INVALID_ARGUMENT, reason="PAGE_TOKEN_INVALID", field="page_token"):
        await list_environments(environments, project_id=project_id, live_only=True, page_token=token)
    for last in set(string.ascii_letters + string.digits + "-_=~") - {token[-1]}:
        with refused(grpc.StatusCode.INVALID_ARGUMENT, reason="PAGE_TOKEN_INVALID", field="page_token"):
            await list_environments(environments, project_id=project_id, page_token=token[:-1] + last)
    with refused(grpc.StatusCode.INVALID_ARGUMENT, field="page_size"):
        await list_environments(environments, page_size=-1)


async def test_list_of_a_team_spans_its_projects(
    environments: EnvironmentServiceAsyncStub, teams: TeamServiceAsyncStub, database_url: str, project_id: str
) -> None:
    team_id = await team_of(database_url, project_id)
    second_project = await make_project(teams, database_url, team_id=team_id)
    foreign_project = await make_project(teams, database_url)
    first, second, third = [
        (await make_environment(environments, of)).id for of in (project_id, second_project, foreign_project)
    ]

    assert await ids_of(environments, team_id=team_id) == [second, first]
    assert await ids_of(environments, team_id=team_id, project_id=second_project) == [second]
    assert await ids_of(environments, team_id=team_id, project_id=foreign_project) == []
    assert await ids_of(environments, project_id=foreign_project) == [third]


async def test_environments_of_a_deleted_team_are_listed(
    environments: EnvironmentServiceAsyncStub, teams: TeamServiceAsyncStub, database_url: str, project_id: str
) -> None:
    made = await make_environment(environments, project_id)
    team_id = await team_of(database_url, project_id)
    await teams.DeleteTeam(team_pb2.DeleteTeamRequest(id=team_id, force=True))

    assert await ids_of(environments, team_id=team_id) == [made.id]


async def test_environments_are_filtered_by_pull_request_and_branch(
    environments: EnvironmentServiceAsyncStub, project_id: str
) -> None:
    first = await make_environment(environments, project_id, pr_number=1, branch_name="fix/100%_sure")
    second = await make_environment(environments, project_id, pr_number=2, branch_name="fix/100")
    third = await make_environment(environments, project_id, branch_name="fix/100")

    assert await ids_of(environments, project_id=project_id, pr_number=1) == [first.id]
    assert await ids_of(environments, project_id=project_id, branch_name="fix/100%_sure") == [first.id]
    assert await ids_of(environments, project_id=project_id, branch_name="fix/100") == [third.id, second.id]
    assert await ids_of(environments, project_id=project_id, branch_name="fix/100", pr_number=2) == [second.id]
    assert await ids_of(environments, project_id=project_id, branch_name="Fix/100") == []


@pytest.mark.parametrize(
    ("statuses", "live_only", "expected"),
    [
        ((), False, STATUSES),
        ((), True, LIVE),
        (("failed", "reaped"), False, ("failed", "reaped")),
        (("ready", "ready", "failed"), True, ("ready",)),
        (("failed", "terminated", "reaped"), True, ()),
    ],
)
async def test_environments_are_filtered_by_status(
    environments: EnvironmentServiceAsyncStub,
    database_url: str,
    project_id: str,
    *,
    statuses: tuple[str, ...],
    live_only: bool,
    expected: tuple[str, ...],
) -> None:
    for status in STATUSES:
        await insert_environment(database_url, project_id, status)

    wanted = map(number_of, statuses)
    found = await list_environments(environments, project_id=project_id, statuses=wanted, live_only=live_only)

    assert sorted(map(status_of, found.environments)) == sorted(expected)


@pytest.mark.parametrize("statuses", [[0], [4, 0], [99]])
async def test_invalid_status_filter_is_refused(
    environments: EnvironmentServiceAsyncStub, statuses: list[environment_pb2.EnvironmentStatus.ValueType]
) -> None:
    with refused(grpc.StatusCode.INVALID_ARGUMENT, field="statuses") as refusal:
        await list_environments(environments, statuses=statuses)

    assert "ENVIRONMENT_STATUS_READY" in refusal.fields["statuses"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("project_id", "x"), ("team_id", ""), ("pr_number", 0), ("pr_number", -1), ("branch_name", "a..b")],
)
async def test_malformed_filter_is_refused(
    environments: EnvironmentServiceAsyncStub, field: str, value: object
) -> None:
    with refused(grpc.StatusCode.INVALID_ARGUMENT, field=field):
        await list_environments(environments, **{field: value})
