from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

import grpc
import psycopg
import pytest
from grpc import StatusCode

from stagely.v1 import cloud_provider_pb2, project_pb2, team_pb2
from tests.support.cloud_providers import make_provider
from tests.support.projects import REPO_URL, make_project
from tests.support.refusals import refusal_of, refused

if TYPE_CHECKING:
    from stagely.v1.cloud_provider_pb2_grpc import CloudProviderServiceAsyncStub
    from stagely.v1.project_pb2_grpc import ProjectServiceAsyncStub
    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub

    Provider = cloud_provider_pb2.CloudProvider


async def delete(cloud_providers: CloudProviderServiceAsyncStub, provider: Provider, **given: Any) -> None:
    await cloud_providers.DeleteCloudProvider(cloud_provider_pb2.DeleteCloudProviderRequest(id=provider.id, **given))


async def exists(cloud_providers: CloudProviderServiceAsyncStub, provider: Provider) -> bool:
    request = cloud_provider_pb2.ListCloudProvidersRequest(team_id=provider.team_id)
    found = await cloud_providers.ListCloudProviders(request)
    return provider.id in {listed.id for listed in found.cloud_providers}


async def fetch_project(projects: ProjectServiceAsyncStub, project: project_pb2.Project) -> project_pb2.Project:
    return (await projects.GetProject(project_pb2.GetProjectRequest(id=project.id))).project


async def test_deleted_provider_is_not_found_and_its_name_is_free(
    cloud_providers: CloudProviderServiceAsyncStub, team: team_pb2.Team, provider: Provider
) -> None:
    await delete(cloud_providers, provider, etag=provider.etag)

    with refused(StatusCode.NOT_FOUND):
        await cloud_providers.GetCloudProvider(cloud_provider_pb2.GetCloudProviderRequest(id=provider.id))
    with refused(StatusCode.NOT_FOUND):
        await delete(cloud_providers, provider)
    assert (await make_provider(cloud_providers, team, name=provider.name)).id != provider.id


async def test_provider_in_use_is_deleted_only_with_force(
    cloud_providers: CloudProviderServiceAsyncStub,
    projects: ProjectServiceAsyncStub,
    team: team_pb2.Team,
    provider: Provider,
) -> None:
    project = await make_project(projects, team, cloud_provider_id=provider.id)

    with refused(StatusCode.FAILED_PRECONDITION, reason="CLOUD_PROVIDER_IN_USE") as refusal:
        await delete(cloud_providers, provider)
    assert refusal.details["PreconditionFailure"].violations[0].subject == f"CloudProvider {provider.id}"
    assert await exists(cloud_providers, provider)

    await delete(cloud_providers, provider, force=True)
    assert not await exists(cloud_providers, provider)
    left = await fetch_project(projects, project)
    assert not left.HasField("cloud_provider_id")
    assert left.etag != project.etag


async def test_provider_that_is_no_longer_used_is_deleted(
    cloud_providers: CloudProviderServiceAsyncStub,
    projects: ProjectServiceAsyncStub,
    team: team_pb2.Team,
    provider: Provider,
) -> None:
    project = await make_project(projects, team, cloud_provider_id=provider.id)
    other = await make_provider(cloud_providers, team)
    await projects.UpdateProject(project_pb2.UpdateProjectRequest(id=project.id, cloud_provider_id=other.id))

    await delete(cloud_providers, provider)


async def test_stale_etag_deletes_nothing(cloud_providers: CloudProviderServiceAsyncStub, provider: Provider) -> None:
    await cloud_providers.UpdateCloudProvider(
        cloud_provider_pb2.UpdateCloudProviderRequest(id=provider.id, name="Other")
    )

    with refused(StatusCode.ABORTED, reason="ETAG_STALE"):
        await delete(cloud_providers, provider, etag=provider.etag, force=True)

    assert await exists(cloud_providers, provider)


async def test_provider_of_a_deleted_team_cannot_be_deleted(
    cloud_providers: CloudProviderServiceAsyncStub,
    teams: TeamServiceAsyncStub,
    team: team_pb2.Team,
    provider: Provider,
) -> None:
    await teams.DeleteTeam(team_pb2.DeleteTeamRequest(id=team.id))

    with refused(StatusCode.FAILED_PRECONDITION, reason="TEAM_DELETED"):
        await delete(cloud_providers, provider, force=True)

    assert await exists(cloud_providers, provider)


@pytest.mark.parametrize("value", ["", "42"])
async def test_malformed_id_is_refused(cloud_providers: CloudProviderServiceAsyncStub, value: str) -> None:
    with refused(StatusCode.INVALID_ARGUMENT, field="id"):
        await delete(cloud_providers, cloud_provider_pb2.CloudProvider(id=value))


async def test_deletion_waits_for_an_uncommitted_project(
    cloud_providers: CloudProviderServiceAsyncStub, team: team_pb2.Team, provider: Provider, database_url: str
) -> None:
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute(
            "INSERT INTO projects (team_id, slug, name, repo_url, cloud_provider_id) VALUES (%s, %s, 'a', %s, %s)",
            [team.id, f"shop-{uuid.uuid4().hex}", REPO_URL, provider.id],
        )
        call = asyncio.create_task(delete(cloud_providers, provider))
        await asyncio.sleep(0.2)
        assert not call.done()
        await connection.commit()

    with refused(StatusCode.FAILED_PRECONDITION, reason="CLOUD_PROVIDER_IN_USE"):
        await call


@pytest.mark.parametrize("update", [False, True])
async def test_project_waits_for_the_deletion_of_its_provider(
    projects: ProjectServiceAsyncStub, team: team_pb2.Team, provider: Provider, database_url: str, *, update: bool
) -> None:
    project = await make_project(projects, team)

    async def use_provider() -> None:
        if update:
            request = project_pb2.UpdateProjectRequest(id=project.id, cloud_provider_id=provider.id)
            await projects.UpdateProject(request)
        else:
            await make_project(projects, team, cloud_provider_id=provider.id)

    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute("DELETE FROM cloud_providers WHERE id = %s", [provider.id])
        call = asyncio.create_task(use_provider())
        await asyncio.sleep(0.2)
        assert not call.done()
        await connection.commit()

    with refused(StatusCode.NOT_FOUND) as refusal:
        await call
    assert refusal.details["ResourceInfo"].resource_name == provider.id


async def test_parallel_deletions_and_new_projects_cause_no_internal_error(
    cloud_providers: CloudProviderServiceAsyncStub, projects: ProjectServiceAsyncStub, team: team_pb2.Team
) -> None:
    providers = [await make_provider(cloud_providers, team) for _ in range(10)]
    targets = [provider for provider in providers for _ in range(2)]
    allowed = {"CLOUD_PROVIDER_IN_USE", "RESOURCE_NOT_FOUND"}

    answers = await asyncio.gather(
        *(delete(cloud_providers, provider, force=turn % 2 == 0) for turn, provider in enumerate(targets)),
        *(make_project(projects, team, cloud_provider_id=provider.id) for provider in targets),
        return_exceptions=True,
    )

    refusals = [refusal_of(answer) for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
    assert {refusal.reason for refusal in refusals} <= allowed
    made = [answer for answer in answers if isinstance(answer, project_pb2.Project)]
    for project in made:
        assert not (await fetch_project(projects, project)).HasField("cloud_provider_id")


async def test_one_of_many_parallel_creations_gets_the_name(
    cloud_providers: CloudProviderServiceAsyncStub, team: team_pb2.Team
) -> None:
    calls = [make_provider(cloud_providers, team, name="Hetzner") for _ in range(20)]

    answers = await asyncio.gather(*calls, return_exceptions=True)

    refusals = [refusal_of(answer) for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
    assert [refusal.reason for refusal in refusals] == ["CLOUD_PROVIDER_NAME_TAKEN"] * 19
