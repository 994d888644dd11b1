from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from grpc import StatusCode

from stagely.v1 import cloud_provider_pb2, project_pb2, team_pb2
from tests.support.projects import delete_team, fetch, make_project, update
from tests.support.refusals import refused
from tests.support.statements import statements
from tests.support.teams import make_team

if TYPE_CHECKING:
    from stagely.v1.project_pb2_grpc import ProjectServiceAsyncStub
    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub


class TestGetProject:
    async def test_project_is_found_by_team_and_slug(
        self, projects: ProjectServiceAsyncStub, project: project_pb2.Project
    ) -> None:
        key = project_pb2.ProjectSlug(team_id=project.team_id, slug=project.slug)

        assert (await projects.GetProject(project_pb2.GetProjectRequest(team_slug=key))).project == project

    async def test_get_takes_one_statement(
        self, projects: ProjectServiceAsyncStub, monkeypatch: pytest.MonkeyPatch, project: project_pb2.Project
    ) -> None:
        key = project_pb2.ProjectSlug(team_id=project.team_id, slug=project.slug)

        with statements(monkeypatch) as executed:
            await projects.GetProject(project_pb2.GetProjectRequest(id=project.id))
            await projects.GetProject(project_pb2.GetProjectRequest(team_slug=key))

        assert len(executed) == 2

    async def test_slug_of_another_team_is_not_found(
        self, projects: ProjectServiceAsyncStub, teams: TeamServiceAsyncStub, project: project_pb2.Project
    ) -> None:
        key = project_pb2.ProjectSlug(team_id=(await make_team(teams)).id, slug=project.slug)

        with refused(StatusCode.NOT_FOUND) as refusal:
            await projects.GetProject(project_pb2.GetProjectRequest(team_slug=key))

        assert project.slug in refusal.message

    async def test_unknown_id_is_not_found(self, projects: ProjectServiceAsyncStub) -> None:
        with refused(StatusCode.NOT_FOUND, reason="RESOURCE_NOT_FOUND"):
            await fetch(projects, project_pb2.Project(id=str(uuid.uuid4())))

    async def test_project_of_a_deleted_team_is_returned(
        self,
        projects: ProjectServiceAsyncStub,
        teams: TeamServiceAsyncStub,
        team: team_pb2.Team,
        project: project_pb2.Project,
    ) -> None:
        await delete_team(teams, team)

        assert await fetch(projects, project) == project

    async def test_key_is_required(self, projects: ProjectServiceAsyncStub) -> None:
        with refused(StatusCode.INVALID_ARGUMENT, field="key"):
            await projects.GetProject(project_pb2.GetProjectRequest())

    @pytest.mark.parametrize(
        ("key", "field"),
        [
            (project_pb2.ProjectSlug(slug="web"), "team_slug.team_id"),
            (project_pb2.ProjectSlug(team_id=str(uuid.uuid4())), "team_slug.slug"),
            (project_pb2.ProjectSlug(team_id="42", slug="web"), "team_slug.team_id"),
            (project_pb2.ProjectSlug(team_id=str(uuid.uuid4()), slug="../web"), "team_slug.slug"),
        ],
    )
    async def test_malformed_team_slug_is_refused(
        self, projects: ProjectServiceAsyncStub, key: project_pb2.ProjectSlug, field: str
    ) -> None:
        with refused(StatusCode.INVALID_ARGUMENT, field=field):
            await projects.GetProject(project_pb2.GetProjectRequest(team_slug=key))


class TestListProjects:
    async def list_ids(self, projects: ProjectServiceAsyncStub, **given: Any) -> list[str]:
        answer = await projects.ListProjects(project_pb2.ListProjectsRequest(**given))
        assert not answer.next_page_token
        return [project.id for project in answer.projects]

    async def test_pages_contain_every_project_once_newest_first(
        self, projects: ProjectServiceAsyncStub, team: team_pb2.Team
    ) -> None:
        made = [(await make_project(projects, team)).id for _ in range(5)]
        pages: list[list[str]] = []
        token = ""

        while not pages or token:
            request = project_pb2.ListProjectsRequest(team_id=team.id, page_size=2, page_token=token)
            page = await projects.ListProjects(request)
            pages.append([project.id for project in page.projects])
            token = page.next_page_token

        assert pages == [[made[4], made[3]], [made[2], made[1]], [made[0]]]

    async def test_listed_project_has_every_field(
        self, projects: ProjectServiceAsyncStub, project: project_pb2.Project
    ) -> None:
        answer = await projects.ListProjects(project_pb2.ListProjectsRequest(team_id=project.team_id))

        assert list(answer.projects) == [project]

    async def test_each_filter_is_applied(
        self, projects: ProjectServiceAsyncStub, team: team_pb2.Team, provider: cloud_provider_pb2.CloudProvider
    ) -> None:
        repo_url = f"https://github.com/acme/{uuid.uuid4().hex}"
        by_url = (await make_project(projects, team, repo_url=repo_url)).id
        by_provider = (await make_project(projects, team, cloud_provider_id=provider.id)).id
        archived = await make_project(projects, team)
        await update(projects, archived, is_active=False)

        assert await self.list_ids(projects, repo_url=repo_url) == [by_url]
        assert await self.list_ids(projects, repo_url=repo_url + ".git") == []
        assert await self.list_ids(projects, cloud_provider_id=provider.id) == [by_provider]
        assert await self.list_ids(projects, team_id=team.id, is_active=False) == [archived.id]
        assert await self.list_ids(projects, team_id=team.id, is_active=True) == [by_provider, by_url]
        assert await self.list_ids(projects, team_id=team.id, repo_url=repo_url, is_active=False) == []

    async def test_page_token_with_other_filters_is_refused(
        self, projects: ProjectServiceAsyncStub, team: team_pb2.Team
    ) -> None:
        for _ in range(2):
            await make_project(projects, team)
        first = await projects.ListProjects(project_pb2.ListProjectsRequest(team_id=team.id, page_size=1))

        for other in ({}, {"team_id": str(uuid.uuid4())}, {"team_id": team.id, "is_active": False}):
            request = project_pb2.ListProjectsRequest(page_token=first.next_page_token, **other)
            with refused(StatusCode.INVALID_ARGUMENT, reason="PAGE_TOKEN_INVALID", field="page_token"):
                await projects.ListProjects(request)

    @pytest.mark.parametrize(
        ("field", "value"),
        [("page_size", -1), ("team_id", "42"), ("cloud_provider_id", ""), ("repo_url", "flask"), ("page_token", "x")],
    )
    async def test_invalid_value_is_refused(self, projects: ProjectServiceAsyncStub, field: str, value: object) -> None:
        with refused(StatusCode.INVALID_ARGUMENT, field=field):
            await self.list_ids(projects, **{field: value})
