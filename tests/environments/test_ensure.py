from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import pytest

from stagely.v1 import team_pb2
from tests.support.environments import (
    COMMIT,
    LIVE,
    OTHER_COMMIT,
    archive,
    ensure,
    get_environment,
    insert_environment,
    make_environment,
    make_project,
    status_of,
    team_of,
)
from tests.support.refusals import refused

if TYPE_CHECKING:
    from stagely.v1.environment_pb2_grpc import EnvironmentServiceAsyncStub
    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub


async def test_missing_environment_is_created(environments: EnvironmentServiceAsyncStub, project_id: str) -> None:
    answer = await ensure(environments, project_id, branch_name="fix/it")

    assert answer.created
    assert status_of(answer.environment) == "pending"
    assert (answer.environment.pr_number, answer.environment.branch_name) == (7, "fix/it")
    assert answer.environment.commit_hash == COMMIT
    assert await get_environment(environments, id=answer.environment.id) == answer.environment


@pytest.mark.parametrize("status", ["terminated", "reaped"])
async def test_closed_environment_is_kept_and_a_new_one_created(
    environments: EnvironmentServiceAsyncStub, database_url: str, project_id: str, status: str
) -> None:
    closed_id = await insert_environment(database_url, project_id, status, pr_number=7)
    closed = await get_environment(environments, id=closed_id)

    answer = await ensure(environments, project_id)

    assert answer.created
    assert answer.environment.id != closed_id
    assert await get_environment(environments, id=closed_id) == closed


@pytest.mark.parametrize("status", LIVE)
async def test_live_environment_of_the_same_commit_is_unchanged(
    environments: EnvironmentServiceAsyncStub, database_url: str, project_id: str, status: str
) -> None:
    live_id = await insert_environment(database_url, project_id, status, pr_number=7)
    live = await get_environment(environments, id=live_id)

    answer = await ensure(environments, project_id, commit_hash=COMMIT.upper(), branch_name="renamed")

    assert not answer.created
    assert answer.environment == live
    assert await get_environment(environments, id=live_id) == live


@pytest.mark.parametrize(
    ("old", "new"),
    [("pending", "pending"), ("building", "building"), ("deploying", "deploying"), ("ready", "building")],
)
async def test_live_environment_moves_to_a_new_commit(
    environments: EnvironmentServiceAsyncStub, database_url: str, project_id: str, old: str, new: str
) -> None:
    live_id = await insert_environment(database_url, project_id, old, pr_number=7)
    live = await get_environment(environments, id=live_id)

    answer = await ensure(environments, project_id, commit_hash=OTHER_COMMIT, branch_name="renamed")

    assert not answer.created
    moved = answer.environment
    assert (moved.id, status_of(moved)) == (live_id, new)
    assert (moved.commit_hash, moved.branch_name) == (OTHER_COMMIT, "renamed")
    assert moved.subdomain_hash == live.subdomain_hash
    assert moved.etag != live.etag
    assert await get_environment(environments, id=live_id) == moved


@pytest.mark.parametrize("commit", [COMMIT, OTHER_COMMIT])
async def test_failed_environment_is_rebuilt(
    environments: EnvironmentServiceAsyncStub, database_url: str, project_id: str, commit: str
) -> None:
    failed_id = await insert_environment(database_url, project_id, "failed", pr_number=7)

    answer = await ensure(environments, project_id, commit_hash=commit)

    assert not answer.created
    assert (answer.environment.id, status_of(answer.environment)) == (failed_id, "building")
    assert answer.environment.commit_hash == commit


async def test_environments_of_other_pull_requests_are_unchanged(
    environments: EnvironmentServiceAsyncStub, teams: TeamServiceAsyncStub, database_url: str, project_id: str
) -> None:
    other_project = await make_project(teams, database_url)
    others = [
        await make_environment(environments, project_id, pr_number=8),
        await make_environment(environments, project_id),
        await make_environment(environments, other_project, pr_number=7),
    ]

    assert (await ensure(environments, project_id, commit_hash=OTHER_COMMIT)).created

    for other in others:
        assert await get_environment(environments, id=other.id) == other


@pytest.mark.parametrize("old", [None, "failed"])
async def test_quota_applies_to_new_and_rebuilt_environments(
    environments: EnvironmentServiceAsyncStub, teams: TeamServiceAsyncStub, database_url: str, old: str | None
) -> None:
    project_id = await make_project(teams, database_url, quota=1)
    await make_environment(environments, project_id)
    failed_id = old and await insert_environment(database_url, project_id, old, pr_number=7)

    with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, reason="ENVIRONMENT_QUOTA_EXCEEDED"):
        await ensure(environments, project_id, commit_hash=OTHER_COMMIT)

    if failed_id:
        failed = await get_environment(environments, id=failed_id)
        assert (status_of(failed), failed.commit_hash) == ("failed", COMMIT)


@pytest.mark.parametrize("commit", [COMMIT, OTHER_COMMIT])
async def test_live_environment_above_a_lowered_quota_is_ensured(
    environments: EnvironmentServiceAsyncStub,
    teams: TeamServiceAsyncStub,
    database_url: str,
    project_id: str,
    commit: str,
) -> None:
    await insert_environment(database_url, project_id, "ready", pr_number=7)
    lowered = team_pb2.UpdateTeamRequest(id=await team_of(database_url, project_id), max_concurrent_stagelets=0)
    await teams.UpdateTeam(lowered)

    assert (await ensure(environments, project_id, commit_hash=commit)).environment.commit_hash == commit


@pytest.mark.parametrize("old", [None, "ready", "failed"])
async def test_deleted_team_and_archived_project_are_refused(
    environments: EnvironmentServiceAsyncStub,
    teams: TeamServiceAsyncStub,
    database_url: str,
    project_id: str,
    old: str | None,
) -> None:
    if old:
        await insert_environment(database_url, project_id, old, pr_number=7)

    await archive(database_url, project_id)
    with refused(grpc.StatusCode.FAILED_PRECONDITION, reason="PROJECT_ARCHIVED"):
        await ensure(environments, project_id)

    await teams.DeleteTeam(team_pb2.DeleteTeamRequest(id=await team_of(database_url, project_id), force=True))
    with refused(grpc.StatusCode.FAILED_PRECONDITION, reason="TEAM_DELETED"):
        await ensure(environments, project_id)


async def test_unknown_project_is_not_found(environments: EnvironmentServiceAsyncStub) -> None:
    with refused(grpc.StatusCode.NOT_FOUND) as refusal:
        await ensure(environments, "00000000-0000-4000-8000-000000000000")

    assert refusal.details["ResourceInfo"].resource_type == "stagely.v1.Project"
