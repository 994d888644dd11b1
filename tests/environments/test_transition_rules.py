from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import pytest

from stagely.v1 import team_pb2
from tests.support.environments import (
    LIVE,
    archive,
    get_environment,
    insert_environment,
    make_environment,
    make_project,
    status_of,
    team_of,
    terminate,
    transition,
)
from tests.support.refusals import refused

if TYPE_CHECKING:
    from stagely.v1 import environment_pb2
    from stagely.v1.environment_pb2_grpc import EnvironmentServiceAsyncStub
    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub

STEPS = [("pending", "building"), ("building", "deploying"), ("deploying", "ready")]
ENDS = [("ready", "failed"), ("building", "terminated"), ("failed", "reaped")]


async def test_rebuild_of_a_failed_environment_counts_against_the_quota(
    environments: EnvironmentServiceAsyncStub, teams: TeamServiceAsyncStub, database_url: str
) -> None:
    project_id = await make_project(teams, database_url, quota=1)
    failed = await insert_environment(database_url, project_id, "failed")
    live = await make_environment(environments, project_id)

    with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, reason="ENVIRONMENT_QUOTA_EXCEEDED") as refusal:
        await transition(environments, failed, "building")
    assert "1 live environments and a quota of 1" in refusal.details["QuotaFailure"].violations[0].description
    assert status_of(await get_environment(environments, id=failed)) == "failed"

    await terminate(environments, live.id)
    assert status_of(await transition(environments, failed, "building")) == "building"


@pytest.mark.parametrize("old", ["pending", "ready"])
async def test_live_environment_above_a_lowered_quota_can_build(
    environments: EnvironmentServiceAsyncStub,
    teams: TeamServiceAsyncStub,
    database_url: str,
    project_id: str,
    old: str,
) -> None:
    environment_id = await insert_environment(database_url, project_id, old)
    lowered = team_pb2.UpdateTeamRequest(id=await team_of(database_url, project_id), max_concurrent_stagelets=0)
    await teams.UpdateTeam(lowered)

    assert status_of(await transition(environments, environment_id, "building")) == "building"


@pytest.mark.parametrize(("old", "new"), [*STEPS, ("failed", "building"), ("ready", "deploying")])
async def test_deleted_team_allows_no_transition_to_a_live_status(
    environments: EnvironmentServiceAsyncStub,
    teams: TeamServiceAsyncStub,
    database_url: str,
    project_id: str,
    old: str,
    new: str,
) -> None:
    environment_id = await insert_environment(database_url, project_id, old)
    await delete_team_of(teams, database_url, project_id)

    with refused(grpc.StatusCode.FAILED_PRECONDITION, reason="TEAM_DELETED"):
        await transition(environments, environment_id, new)


@pytest.mark.parametrize(("old", "new"), ENDS)
async def test_environment_of_a_deleted_team_and_an_archived_project_can_end(
    environments: EnvironmentServiceAsyncStub,
    teams: TeamServiceAsyncStub,
    database_url: str,
    project_id: str,
    old: str,
    new: str,
) -> None:
    environment_id = await insert_environment(database_url, project_id, old)
    await archive(database_url, project_id)
    await delete_team_of(teams, database_url, project_id)

    assert status_of(await transition(environments, environment_id, new)) == new


@pytest.mark.parametrize("old", ["pending", "ready", "failed"])
async def test_archived_project_allows_no_new_build(
    environments: EnvironmentServiceAsyncStub, database_url: str, project_id: str, old: str
) -> None:
    environment_id = await insert_environment(database_url, project_id, old)
    await archive(database_url, project_id)

    with refused(grpc.StatusCode.FAILED_PRECONDITION, reason="PROJECT_ARCHIVED"):
        await transition(environments, environment_id, "building")


async def test_running_build_of_an_archived_project_becomes_ready(
    environments: EnvironmentServiceAsyncStub, database_url: str, project_id: str
) -> None:
    environment_id = await insert_environment(database_url, project_id, "building")
    await archive(database_url, project_id)

    await transition(environments, environment_id, "deploying")
    assert status_of(await transition(environments, environment_id, "ready")) == "ready"


@pytest.mark.parametrize("status", LIVE)
async def test_failed_environment_frees_quota(
    environments: EnvironmentServiceAsyncStub, teams: TeamServiceAsyncStub, database_url: str, status: str
) -> None:
    project_id = await make_project(teams, database_url, quota=1)
    live = await insert_environment(database_url, project_id, status)
    with refused(grpc.StatusCode.RESOURCE_EXHAUSTED):
        await make_environment(environments, project_id)

    await transition(environments, live, "failed")

    made: environment_pb2.Environment = await make_environment(environments, project_id)
    assert status_of(made) == "pending"


async def delete_team_of(teams: TeamServiceAsyncStub, database_url: str, project_id: str) -> None:
    team_id = await team_of(database_url, project_id)
    await teams.DeleteTeam(team_pb2.DeleteTeamRequest(id=team_id, force=True))
