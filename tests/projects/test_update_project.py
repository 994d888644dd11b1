from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import Struct, Value
from grpc import StatusCode

from stagely.v1 import cloud_provider_pb2, project_pb2, team_pb2
from tests.support.projects import MUTABLE_FIELDS, delete_team, fetch, make_project, update
from tests.support.refusals import refused

if TYPE_CHECKING:
    from stagely.v1.project_pb2_grpc import ProjectServiceAsyncStub
    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub


class TestUpdateProject:
    async def test_update_without_a_mask_changes_set_fields(
        self, projects: ProjectServiceAsyncStub, project: project_pb2.Project
    ) -> None:
        updated = await update(projects, project, name="Other", default_branch="trunk")

        assert (updated.name, updated.default_branch) == ("Other", "trunk")
        assert updated.etag != project.etag
        assert updated.updated_at.ToDatetime() > project.updated_at.ToDatetime()
        assert (updated.slug, updated.repo_url, updated.created_at) == (
            project.slug,
            project.repo_url,
            project.created_at,
        )
        assert updated == await fetch(projects, project)

    async def test_star_mask_changes_every_field(
        self,
        projects: ProjectServiceAsyncStub,
        project: project_pb2.Project,
        provider: cloud_provider_pb2.CloudProvider,
    ) -> None:
        wanted = project_pb2.UpdateProjectRequest(
            id=project.id,
            update_mask=FieldMask(paths=["*"]),
            name="Other",
            repo_url="ssh://git@gitlab.com/acme/other",
            repo_provider=project_pb2.REPO_PROVIDER_GITLAB,
            default_branch="trunk",
            cloud_provider_id=provider.id,
            default_preview_size=project_pb2.PREVIEW_SIZE_SMALL,
            config=Struct(fields={"b": Value(number_value=2)}),
            is_active=False,
        )

        updated = (await projects.UpdateProject(wanted)).project

        for field in (*MUTABLE_FIELDS, "is_active"):
            assert getattr(updated, field) == getattr(wanted, field)

    async def test_masked_and_unset_fields_are_cleared(
        self, projects: ProjectServiceAsyncStub, team: team_pb2.Team, provider: cloud_provider_pb2.CloudProvider
    ) -> None:
        project = await make_project(
            projects,
            team,
            repo_provider=project_pb2.REPO_PROVIDER_GITLAB,
            default_branch="trunk",
            cloud_provider_id=provider.id,
            default_preview_size=project_pb2.PREVIEW_SIZE_LARGE,
            config={"a": 1},
        )
        await update(projects, project, is_active=False)
        cleared = [*MUTABLE_FIELDS[2:], "is_active"]

        updated = await update(projects, project, update_mask=cleared, name="Not named")

        assert updated.repo_provider == project_pb2.REPO_PROVIDER_GITHUB
        assert updated.default_branch == "main"
        assert not updated.HasField("cloud_provider_id")
        assert updated.default_preview_size == project_pb2.PREVIEW_SIZE_MEDIUM
        assert updated.HasField("config")
        assert not updated.config.fields
        assert updated.is_active
        assert updated.name == project.name

    async def test_cleared_configs_are_not_shared(
        self, projects: ProjectServiceAsyncStub, team: team_pb2.Team, project: project_pb2.Project
    ) -> None:
        await update(projects, project, update_mask=["config"])
        await update(projects, project, config={"a": 1})

        assert not (await make_project(projects, team)).config.fields

    @pytest.mark.parametrize("field", ["name", "repo_url"])
    async def test_required_field_cannot_be_cleared(
        self, projects: ProjectServiceAsyncStub, project: project_pb2.Project, field: str
    ) -> None:
        with refused(StatusCode.INVALID_ARGUMENT, field=field):
            await update(projects, project, update_mask=[field])

    @pytest.mark.parametrize("path", ["slug", "team_id", "id", "etag", "created_at", "config.a", "shoe_size"])
    async def test_mask_with_an_immutable_or_unknown_field_is_refused(
        self, projects: ProjectServiceAsyncStub, project: project_pb2.Project, path: str
    ) -> None:
        with refused(StatusCode.INVALID_ARGUMENT, field="update_mask"):
            await update(projects, project, update_mask=["name", path], name="Other")

        assert await fetch(projects, project) == project

    async def test_stale_etag_changes_nothing(
        self, projects: ProjectServiceAsyncStub, project: project_pb2.Project
    ) -> None:
        updated = await update(projects, project, name="First", etag=project.etag)

        with refused(StatusCode.ABORTED, reason="ETAG_STALE"):
            await update(projects, project, name="Second", etag=project.etag)

        assert await fetch(projects, project) == updated

    async def test_empty_mask_changes_nothing(
        self, projects: ProjectServiceAsyncStub, project: project_pb2.Project
    ) -> None:
        assert await update(projects, project, update_mask=[], name="Other") == project

    async def test_cloud_provider_of_another_team_is_not_found(
        self,
        projects: ProjectServiceAsyncStub,
        project: project_pb2.Project,
        foreign_provider: cloud_provider_pb2.CloudProvider,
    ) -> None:
        with refused(StatusCode.NOT_FOUND) as refusal:
            await update(projects, project, cloud_provider_id=foreign_provider.id)

        assert refusal.details["ResourceInfo"].resource_type == "stagely.v1.CloudProvider"
        assert await fetch(projects, project) == project

    async def test_unknown_project_is_not_found(self, projects: ProjectServiceAsyncStub) -> None:
        with refused(StatusCode.NOT_FOUND) as refusal:
            await update(projects, project_pb2.Project(id=str(uuid.uuid4())), name="Other")

        assert refusal.details["ResourceInfo"].resource_type == "stagely.v1.Project"

    async def test_project_of_a_deleted_team_cannot_be_changed(
        self,
        projects: ProjectServiceAsyncStub,
        teams: TeamServiceAsyncStub,
        team: team_pb2.Team,
        project: project_pb2.Project,
    ) -> None:
        await delete_team(teams, team)

        with refused(StatusCode.FAILED_PRECONDITION, reason="TEAM_DELETED"):
            await update(projects, project, name="Other")
