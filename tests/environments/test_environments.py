from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

import grpc
import pytest

from stagely.v1 import environment_pb2, environment_pb2_grpc, team_pb2
from stagely_rpc.environments import service
from tests.support.environments import (
    COMMIT,
    archive,
    get_environment,
    insert_environment,
    make_environment,
    make_project,
    status_of,
    team_of,
    terminate,
)
from tests.support.refusals import refused
from tests.support.rpc import connected, running_server

if TYPE_CHECKING:
    from stagely.v1.environment_pb2_grpc import EnvironmentServiceAsyncStub
    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub

UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"


async def test_new_environment_is_pending(environments: EnvironmentServiceAsyncStub, project_id: str) -> None:
    made = await make_environment(environments, project_id, pr_number=12, branch_name="feature/löschen")

    assert (made.project_id, made.pr_number, made.branch_name) == (project_id, 12, "feature/löschen")
    assert made.commit_hash == COMMIT
    assert status_of(made) == "pending"
    assert made.vm_status == environment_pb2.VM_STATUS_PENDING
    assert made.estimated_cost_usd_micros == 0
    for unset in ("vm_id", "vm_ip", "deployed_at", "last_heartbeat_at", "terminated_at"):
        assert not made.HasField(unset)
    assert made.created_at == made.updated_at
    assert await get_environment(environments, id=made.id) == made


async def test_subdomain_and_url_contain_the_pull_request_number(
    environments: EnvironmentServiceAsyncStub, project_id: str
) -> None:
    made = await make_environment(environments, project_id, pr_number=2**31 - 1)

    assert re.fullmatch(r"pr-2147483647-[a-z0-9]{12}", made.subdomain_hash)
    assert made.url == f"https://{made.subdomain_hash}.stagely.dev"


async def test_environment_without_a_pull_request_has_no_number(
    environments: EnvironmentServiceAsyncStub, project_id: str
) -> None:
    made = await make_environment(environments, project_id)

    assert not made.HasField("pr_number")
    assert re.fullmatch(r"env-[a-z0-9]{12}", made.subdomain_hash)


async def test_url_uses_the_domain_setting(teams: TeamServiceAsyncStub, database_url: str, project_id: str) -> None:
    del teams
    async with running_server(database_url, domain="preview.example.org") as server, connected(server) as channel:
        stub = environment_pb2_grpc.EnvironmentServiceStub(channel)
        made = await make_environment(stub, project_id)

    assert made.url == f"https://{made.subdomain_hash}.preview.example.org"


async def test_commit_is_stored_in_lower_case(environments: EnvironmentServiceAsyncStub, project_id: str) -> None:
    made = await make_environment(environments, project_id, commit_hash="DEADBEEF0")

    assert made.commit_hash == "deadbeef0"


@pytest.mark.parametrize("status", ["pending", "building", "deploying", "ready", "failed"])
async def test_second_open_environment_of_a_pull_request_is_refused(
    environments: EnvironmentServiceAsyncStub, database_url: str, project_id: str, status: str
) -> None:
    await insert_environment(database_url, project_id, status, pr_number=3)

    with refused(grpc.StatusCode.ALREADY_EXISTS, reason="ENVIRONMENT_EXISTS") as refusal:
        await make_environment(environments, project_id, pr_number=3)

    assert refusal.details["ResourceInfo"].resource_name == f"{project_id}/3"


@pytest.mark.parametrize("status", ["terminated", "reaped"])
async def test_pull_request_with_a_closed_environment_gets_a_new_one(
    environments: EnvironmentServiceAsyncStub, database_url: str, project_id: str, status: str
) -> None:
    closed = await insert_environment(database_url, project_id, status, pr_number=3)

    assert (await make_environment(environments, project_id, pr_number=3)).id != closed


async def test_same_number_in_another_project_is_accepted(
    environments: EnvironmentServiceAsyncStub, teams: TeamServiceAsyncStub, database_url: str, project_id: str
) -> None:
    other = await make_project(teams, database_url)
    await make_environment(environments, project_id, pr_number=3)

    assert (await make_environment(environments, other, pr_number=3)).project_id == other


async def test_project_can_have_many_environments_without_a_pull_request(
    environments: EnvironmentServiceAsyncStub, project_id: str
) -> None:
    made = [await make_environment(environments, project_id) for _ in range(3)]

    assert len({environment.subdomain_hash for environment in made}) == 3


async def test_quota_counts_all_projects_of_the_team(
    environments: EnvironmentServiceAsyncStub, teams: TeamServiceAsyncStub, database_url: str
) -> None:
    first = await make_project(teams, database_url, quota=2)
    team_id = await team_of(database_url, first)
    second = await make_project(teams, database_url, team_id=team_id)
    await make_environment(environments, first)
    last = await make_environment(environments, second)
    await insert_environment(database_url, first, "failed")

    with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, reason="ENVIRONMENT_QUOTA_EXCEEDED") as refusal:
        await make_environment(environments, first)

    (violation,) = refusal.details["QuotaFailure"].violations
    assert violation.subject == f"Team {team_id}"
    assert "2 live environments and a quota of 2" in violation.description
    await terminate(environments, last.id)
    await make_environment(environments, first)


async def test_quota_of_zero_allows_no_environment(
    environments: EnvironmentServiceAsyncStub, teams: TeamServiceAsyncStub, database_url: str
) -> None:
    project_id = await make_project(teams, database_url, quota=0)

    with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, reason="ENVIRONMENT_QUOTA_EXCEEDED"):
        await make_environment(environments, project_id)


async def test_existing_environment_is_reported_before_the_quota(
    environments: EnvironmentServiceAsyncStub, teams: TeamServiceAsyncStub, database_url: str
) -> None:
    project_id = await make_project(teams, database_url, quota=1)
    await make_environment(environments, project_id, pr_number=3)

    with refused(grpc.StatusCode.ALREADY_EXISTS):
        await make_environment(environments, project_id, pr_number=3)


async def test_deleted_team_is_refused(
    environments: EnvironmentServiceAsyncStub, teams: TeamServiceAsyncStub, database_url: str, project_id: str
) -> None:
    team_id = await team_of(database_url, project_id)
    await teams.DeleteTeam(team_pb2.DeleteTeamRequest(id=team_id))

    with refused(grpc.StatusCode.FAILED_PRECONDITION, reason="TEAM_DELETED"):
        await make_environment(environments, project_id)


async def test_archived_project_is_refused(
    environments: EnvironmentServiceAsyncStub, database_url: str, project_id: str
) -> None:
    await archive(database_url, project_id)

    with refused(grpc.StatusCode.FAILED_PRECONDITION, reason="PROJECT_ARCHIVED") as refusal:
        await make_environment(environments, project_id)

    assert refusal.details["PreconditionFailure"].violations[0].subject == f"Project {project_id}"


async def test_unknown_project_is_not_found(environments: EnvironmentServiceAsyncStub) -> None:
    with refused(grpc.StatusCode.NOT_FOUND) as refusal:
        await make_environment(environments, UNKNOWN_ID)

    assert refusal.details["ResourceInfo"].resource_type == "stagely.v1.Project"


@pytest.mark.parametrize("pr_number", [None, 5])
async def test_taken_subdomain_is_replaced_by_a_free_one(
    environments: EnvironmentServiceAsyncStub,
    project_id: str,
    monkeypatch: pytest.MonkeyPatch,
    pr_number: int | None,
) -> None:
    taken, free = uuid.uuid4().hex[:12], uuid.uuid4().hex[:12]
    ids = iter([taken, taken, taken, free])
    monkeypatch.setattr(service, "new_id", lambda: next(ids))
    first = await make_environment(environments, project_id, pr_number=pr_number)
    if pr_number:
        await terminate(environments, first.id)

    second = await make_environment(environments, project_id, pr_number=pr_number)

    assert first.subdomain_hash.endswith(taken)
    assert second.subdomain_hash.endswith(free)


async def test_creation_is_aborted_when_every_subdomain_is_taken(
    environments: EnvironmentServiceAsyncStub, project_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = uuid.uuid4().hex[:12]
    monkeypatch.setattr(service, "new_id", lambda: stuck)
    await make_environment(environments, project_id)

    with refused(grpc.StatusCode.ABORTED) as refusal:
        await make_environment(environments, project_id)

    assert stuck not in refusal.message
