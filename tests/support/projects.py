from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from google.protobuf.field_mask_pb2 import FieldMask

from stagely.v1 import project_pb2, team_pb2

if TYPE_CHECKING:
    from stagely.v1.project_pb2_grpc import ProjectServiceAsyncStub
    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub

REPO_URL = "https://github.com/pallets/flask.git"

MUTABLE_FIELDS = (
    "name",
    "repo_url",
    "repo_provider",
    "default_branch",
    "cloud_provider_id",
    "default_preview_size",
    "config",
)
"""The fields that can be set at creation and changed later."""


async def make_project(projects: ProjectServiceAsyncStub, team: team_pb2.Team, **overrides: Any) -> project_pb2.Project:
    """Create a project of a team with a unique slug."""
    given = {"team_id": team.id, "slug": f"shop-{uuid.uuid4().hex[:12]}", "name": "Shop", "repo_url": REPO_URL}
    return (await projects.CreateProject(project_pb2.CreateProjectRequest(**given | overrides))).project


async def fetch(projects: ProjectServiceAsyncStub, project: project_pb2.Project) -> project_pb2.Project:
    return (await projects.GetProject(project_pb2.GetProjectRequest(id=project.id))).project


async def update(projects: ProjectServiceAsyncStub, project: project_pb2.Project, **given: Any) -> project_pb2.Project:
    if isinstance(paths := given.get("update_mask"), list):
        given["update_mask"] = FieldMask(paths=paths)
    return (await projects.UpdateProject(project_pb2.UpdateProjectRequest(id=project.id, **given))).project


async def delete_team(teams: TeamServiceAsyncStub, team: team_pb2.Team) -> None:
    await teams.DeleteTeam(team_pb2.DeleteTeamRequest(id=team.id))
