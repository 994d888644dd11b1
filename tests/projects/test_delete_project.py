from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

import grpc
import psycopg
import pytest
from grpc import StatusCode

from stagely.v1 import project_pb2, team_pb2
from tests.support.cloud_providers import make_provider
from tests.support.projects import make_project
from tests.support.refusals import refusal_of, refused

if TYPE_CHECKING:
    from stagely.v1.cloud_provider_pb2_grpc import CloudProviderServiceAsyncStub
    from stagely.v1.project_pb2_grpc import ProjectServiceAsyncStub
    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub

INSERT_ENVIRONMENT = """
    INSERT INTO environments (project_id, branch_name, commit_hash, subdomain_hash, status)
    VALUES (%s, 'main', 'abcdef0', %s, %s)
"""


async def insert_environment(connection: psycopg.AsyncConnection, project_id: str, status: str = "ready") -> None:
    await connection.execute(INSERT_ENVIRONMENT, [project_id, f"env-{uuid.uuid4().hex}", status])


async def count_environments(connection: psycopg.AsyncConnection, project_id: str) -> int:
    cursor = await connection.execute("SELECT count(*) FROM environments WHERE project_id = %s", [project_id])
    row = await cursor.fetchone()
    assert row
    return int(row[0])


async def delete(projects: ProjectServiceAsyncStub, project: project_pb2.Project, **given: Any) -> None:
    await projects.DeleteProject(project_pb2.DeleteProjectRequest(id=project.id, **given))


async def exists(projects: ProjectServiceAsyncStub, project: project_pb2.Project) -> bool:
    found = await projects.ListProjects(project_pb2.ListProjectsRequest(team_id=project.team_id))
    return project.id in {listed.id for listed in found.projects}


async def test_deleted_project_is_not_found_and_its_slug_is_free(
    projects: ProjectServiceAsyncStub, team: team_pb2.Team, project: project_pb2.Project
) -> None:
    await delete(projects, project, etag=project.etag)

    with refused(StatusCode.NOT_FOUND):
        await projects.GetProject(project_pb2.GetProjectRequest(id=project.id))
    with refused(StatusCode.NOT_FOUND):
        await delete(projects, project)
    assert (await make_project(projects, team, slug=project.slug)).id != project.id


async def test_child_rows_are_deleted_with_the_project(
    projects: ProjectServiceAsyncStub, project: project_pb2.Project, database_url: str
) -> None:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        for status in ("failed", "terminated", "reaped"):
            await insert_environment(connection, project.id, status)
        await connection.execute(
            "INSERT INTO secrets (project_id, key, encrypted_value) VALUES (%s, 'K', 'x')", [project.id]
        )

        await delete(projects, project)

        assert await count_environments(connection, project.id) == 0
        cursor = await connection.execute("SELECT FROM secrets WHERE project_id = %s", [project.id])
        assert await cursor.fetchall() == []


@pytest.mark.parametrize("status", ["pending", "building", "deploying", "ready"])
async def test_project_with_live_environments_is_deleted_only_with_force(
    projects: ProjectServiceAsyncStub, project: project_pb2.Project, database_url: str, status: str
) -> None:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await insert_environment(connection, project.id, status)

        with refused(StatusCode.FAILED_PRECONDITION, reason="PROJECT_HAS_LIVE_ENVIRONMENTS") as refusal:
            await delete(projects, project)
        assert refusal.details["PreconditionFailure"].violations[0].subject == f"Project {project.id}"
        assert await exists(projects, project)

        await delete(projects, project, force=True)
        assert not await exists(projects, project)
        assert await count_environments(connection, project.id) == 0


async def test_live_environment_of_another_project_is_ignored(
    projects: ProjectServiceAsyncStub, team: team_pb2.Team, project: project_pb2.Project, database_url: str
) -> None:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await insert_environment(connection, (await make_project(projects, team)).id)

    await delete(projects, project)


async def test_cloud_provider_of_a_deleted_project_is_kept(
    projects: ProjectServiceAsyncStub, cloud_providers: CloudProviderServiceAsyncStub, team: team_pb2.Team
) -> None:
    provider = await make_provider(cloud_providers, team)
    await delete(projects, await make_project(projects, team, cloud_provider_id=provider.id))

    assert await make_project(projects, team, cloud_provider_id=provider.id)


@pytest.mark.parametrize("force", [False, True])
async def test_stale_etag_deletes_nothing(
    projects: ProjectServiceAsyncStub, project: project_pb2.Project, *, force: bool
) -> None:
    await projects.UpdateProject(project_pb2.UpdateProjectRequest(id=project.id, name="Other"))

    with refused(StatusCode.ABORTED, reason="ETAG_STALE"):
        await delete(projects, project, etag=project.etag, force=force)

    assert await exists(projects, project)


async def test_project_of_a_deleted_team_cannot_be_deleted(
    projects: ProjectServiceAsyncStub, teams: TeamServiceAsyncStub, team: team_pb2.Team, project: project_pb2.Project
) -> None:
    await teams.DeleteTeam(team_pb2.DeleteTeamRequest(id=team.id))

    with refused(StatusCode.FAILED_PRECONDITION, reason="TEAM_DELETED"):
        await delete(projects, project, force=True)

    assert await exists(projects, project)


@pytest.mark.parametrize("value", ["", "42", "../42"])
async def test_malformed_id_is_refused(projects: ProjectServiceAsyncStub, value: str) -> None:
    with refused(StatusCode.INVALID_ARGUMENT, field="id"):
        await delete(projects, project_pb2.Project(id=value))


async def test_deletion_waits_for_an_uncommitted_environment(
    projects: ProjectServiceAsyncStub, project: project_pb2.Project, database_url: str
) -> None:
    async with await psycopg.AsyncConnection.connect(database_url) as creator:
        await insert_environment(creator, project.id)
        call = asyncio.create_task(delete(projects, project))
        await asyncio.sleep(0.2)
        assert not call.done()
        await creator.commit()

    with refused(StatusCode.FAILED_PRECONDITION, reason="PROJECT_HAS_LIVE_ENVIRONMENTS"):
        await call


async def test_parallel_deletions_and_creations_lose_no_environment(
    projects: ProjectServiceAsyncStub, team: team_pb2.Team, database_url: str
) -> None:
    """Either the project is deleted and no environment is created, or both exist."""

    async def create_environment(creator: psycopg.AsyncConnection, project: project_pb2.Project, delay: float) -> bool:
        await asyncio.sleep(delay)
        try:
            await insert_environment(creator, project.id)
        except psycopg.errors.ForeignKeyViolation:
            return False
        return True

    async def delete_unless_refused(project: project_pb2.Project) -> bool:
        (answer,) = await asyncio.gather(delete(projects, project), return_exceptions=True)
        if isinstance(answer, grpc.aio.AioRpcError):
            assert refusal_of(answer).reason == "PROJECT_HAS_LIVE_ENVIRONMENTS"
        return answer is None

    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as creator:
        for round_number in range(100):
            project = await make_project(projects, team)
            delay = round_number * 0.0001
            created, deleted = await asyncio.gather(
                create_environment(creator, project, delay), delete_unless_refused(project)
            )
            assert created != deleted
            assert await count_environments(creator, project.id) == int(created)


async def test_one_of_many_parallel_deletions_succeeds(
    projects: ProjectServiceAsyncStub, project: project_pb2.Project
) -> None:
    calls = [delete(projects, project) for _ in range(10)]

    answers = await asyncio.gather(*calls, return_exceptions=True)

    refusals = [refusal_of(answer) for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
    assert [refusal.code for refusal in refusals] == [StatusCode.NOT_FOUND] * 9


async def test_one_of_many_updates_with_one_etag_succeeds(
    projects: ProjectServiceAsyncStub, project: project_pb2.Project
) -> None:
    requests = [
        project_pb2.UpdateProjectRequest(id=project.id, etag=project.etag, name=f"Name {number}")
        for number in range(20)
    ]

    answers = await asyncio.gather(*map(projects.UpdateProject, requests), return_exceptions=True)

    refusals = [refusal_of(answer) for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
    assert [refusal.reason for refusal in refusals] == ["ETAG_STALE"] * 19


async def test_creation_waits_for_the_deletion_of_the_team_and_is_refused(
    projects: ProjectServiceAsyncStub, team: team_pb2.Team, database_url: str
) -> None:
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute("UPDATE teams SET deleted_at = now() WHERE id = %s", [team.id])
        call = asyncio.create_task(make_project(projects, team))
        await asyncio.sleep(0.2)
        assert not call.done()
        await connection.commit()

    with refused(StatusCode.FAILED_PRECONDITION, reason="TEAM_DELETED"):
        await call
