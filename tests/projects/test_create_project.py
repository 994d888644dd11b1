from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct, Value
from grpc import StatusCode

from stagely.v1 import cloud_provider_pb2, project_pb2, team_pb2
from tests.support.projects import MUTABLE_FIELDS, REPO_URL, delete_team, fetch, make_project
from tests.support.refusals import refused
from tests.support.teams import make_team

if TYPE_CHECKING:
    from stagely.v1.project_pb2_grpc import ProjectServiceAsyncStub
    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub


def nested(levels: int) -> dict[str, Any]:
    """Return a JSON object with a depth of this many levels."""
    return {"a": nested(levels - 1)} if levels > 1 else {}


def sized(json_bytes: int) -> dict[str, str]:
    """Return a JSON object that serializes to this many bytes."""
    return {"a": "x" * (json_bytes - len('{"a":""}'))}


class TestCreateProject:
    async def test_defaults_are_set(self, projects: ProjectServiceAsyncStub, team: team_pb2.Team) -> None:
        project = await make_project(projects, team, slug="web", name="Web ✨")

        assert uuid.UUID(project.id).version == 4
        assert (project.team_id, project.slug, project.name) == (team.id, "web", "Web ✨")
        assert project.repo_url == REPO_URL
        assert project.repo_provider == project_pb2.REPO_PROVIDER_GITHUB
        assert project.default_branch == "main"
        assert not project.HasField("cloud_provider_id")
        assert project.default_preview_size == project_pb2.PREVIEW_SIZE_MEDIUM
        assert project.HasField("config")
        assert not project.config.fields
        assert project.is_active
        assert project.created_at == project.updated_at
        assert project.etag
        assert project == await fetch(projects, project)

    async def test_every_field_is_stored(
        self, projects: ProjectServiceAsyncStub, team: team_pb2.Team, provider: cloud_provider_pb2.CloudProvider
    ) -> None:
        given = {
            "name": "Mağaza 🛒",
            "repo_url": "git@bitbucket.org:acme/shop.git",
            "repo_provider": project_pb2.REPO_PROVIDER_BITBUCKET,
            "default_branch": "release/é",
            "cloud_provider_id": provider.id,
            "default_preview_size": project_pb2.PREVIEW_SIZE_XLARGE,
            "config": {"a": [1, -2.5, 1e300, 2**53, None, True, {"ü": "🚀"}], "": {}},
        }
        request = project_pb2.CreateProjectRequest(team_id=team.id, slug="shop", **given)  # type: ignore[arg-type]

        project = (await projects.CreateProject(request)).project

        for field in MUTABLE_FIELDS:
            assert getattr(project, field) == getattr(request, field)
        assert project == await fetch(projects, project)

    async def test_taken_slug_is_refused(self, projects: ProjectServiceAsyncStub, team: team_pb2.Team) -> None:
        await make_project(projects, team, slug="web")

        with refused(StatusCode.ALREADY_EXISTS, reason="PROJECT_SLUG_TAKEN") as refusal:
            await make_project(projects, team, slug="web")

        assert refusal.details["ResourceInfo"].resource_name == "web"

    async def test_same_slug_in_another_team_is_accepted(
        self, projects: ProjectServiceAsyncStub, teams: TeamServiceAsyncStub, project: project_pb2.Project
    ) -> None:
        assert (await make_project(projects, await make_team(teams), slug=project.slug)).slug == project.slug

    async def test_unknown_team_is_not_found(self, projects: ProjectServiceAsyncStub) -> None:
        with refused(StatusCode.NOT_FOUND, reason="RESOURCE_NOT_FOUND") as refusal:
            await make_project(projects, team_pb2.Team(id=str(uuid.uuid4())))

        assert refusal.details["ResourceInfo"].resource_type == "stagely.v1.Team"

    async def test_deleted_team_is_refused(
        self, projects: ProjectServiceAsyncStub, teams: TeamServiceAsyncStub, team: team_pb2.Team
    ) -> None:
        await delete_team(teams, team)

        with refused(StatusCode.FAILED_PRECONDITION, reason="TEAM_DELETED"):
            await make_project(projects, team)

    async def test_unknown_cloud_provider_is_not_found(
        self, projects: ProjectServiceAsyncStub, team: team_pb2.Team
    ) -> None:
        with refused(StatusCode.NOT_FOUND) as refusal:
            await make_project(projects, team, cloud_provider_id=str(uuid.uuid4()))

        assert refusal.details["ResourceInfo"].resource_type == "stagely.v1.CloudProvider"

    async def test_cloud_provider_of_another_team_is_not_found(
        self,
        projects: ProjectServiceAsyncStub,
        team: team_pb2.Team,
        foreign_provider: cloud_provider_pb2.CloudProvider,
    ) -> None:
        with refused(StatusCode.NOT_FOUND) as refusal:
            await make_project(projects, team, cloud_provider_id=foreign_provider.id)

        assert refusal.details["ResourceInfo"].resource_type == "stagely.v1.CloudProvider"

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("team_id", ""),
            ("team_id", "web"),
            ("slug", ""),
            ("slug", "a"),
            ("slug", "-web"),
            ("slug", "a" * 101),
            ("name", ""),
            ("name", " "),
            ("name", "a\0"),
            ("name", "é" * 256),
            ("repo_url", ""),
            ("repo_url", "https://ada:s3cret@github.com/acme/web"),
            ("repo_url", "https://x/" + "a" * 1991),
            ("repo_provider", 99),
            ("default_branch", ""),
            ("default_branch", "a" * 101),
            ("default_branch", "a..b"),
            ("default_branch", "HEAD"),
            ("cloud_provider_id", ""),
            ("cloud_provider_id", "aws"),
            ("default_preview_size", 99),
            ("config", sized(65_537)),
            ("config", nested(21)),
            ("config", {"a": float("nan")}),
            ("config", {"a": float("inf")}),
            ("config", {"a": "\0"}),
            ("config", {"\0": "a"}),
            ("config", Struct(fields={"a": Value()})),
        ],
    )
    async def test_invalid_value_is_refused(
        self, projects: ProjectServiceAsyncStub, team: team_pb2.Team, field: str, value: object
    ) -> None:
        with refused(StatusCode.INVALID_ARGUMENT, field=field) as refusal:
            await make_project(projects, team, **{field: value})

        assert "s3cret" not in refusal.message

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("slug", "a" * 100),
            ("slug", "aa"),
            ("name", "é" * 255),
            ("repo_url", "https://x/" + "a" * 1990),
            ("default_branch", "é" * 100),
            ("config", sized(65_536)),
            ("config", nested(20)),
        ],
    )
    async def test_value_at_its_limit_is_accepted(
        self, projects: ProjectServiceAsyncStub, team: team_pb2.Team, field: str, value: Any
    ) -> None:
        project = await make_project(projects, team, **{field: value})

        kept = getattr(project, field)
        assert (MessageToDict(kept) if field == "config" else kept) == value
