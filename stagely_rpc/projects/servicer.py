"""ProjectService over gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely.v1 import project_pb2, project_pb2_grpc
from stagely_rpc.fields import Target
from stagely_rpc.projects import service
from stagely_rpc.projects.convert import project_to_proto
from stagely_rpc.projects.inputs import NewProject, ProjectChanges, ProjectDeletion, ProjectFilter, ProjectKey
from stagely_rpc.wire.requests import parse, parse_changes

if TYPE_CHECKING:
    from stagely_rpc.db.database import Database
    from stagely_rpc.wire.context import Context
    from stagely_rpc.wire.paging import PageTokens


class ProjectServicer(project_pb2_grpc.ProjectServiceServicer):
    """Projects."""

    def __init__(self, db: Database, pages: PageTokens) -> None:
        self._db = db
        self._pages = pages

    async def CreateProject(
        self, request: project_pb2.CreateProjectRequest, context: Context
    ) -> project_pb2.CreateProjectResponse:
        new = parse(NewProject, request)
        async with self._db.write() as session:
            project = await service.create_project(session, new)
            return session.answer(project_pb2.CreateProjectResponse(project=project_to_proto(project)))

    async def GetProject(
        self, request: project_pb2.GetProjectRequest, context: Context
    ) -> project_pb2.GetProjectResponse:
        key = parse(ProjectKey, request)
        async with self._db.read() as session:
            project = await service.get_project(session, key)
            return project_pb2.GetProjectResponse(project=project_to_proto(project))

    async def ListProjects(
        self, request: project_pb2.ListProjectsRequest, context: Context
    ) -> project_pb2.ListProjectsResponse:
        wanted, page = parse(ProjectFilter, request), self._pages.page(request)
        async with self._db.read() as session:
            found = await service.list_projects(session, wanted, page)
            return project_pb2.ListProjectsResponse(
                projects=map(project_to_proto, found.rows),
                next_page_token=self._pages.next_page_token(request, found.last),
            )

    async def UpdateProject(
        self, request: project_pb2.UpdateProjectRequest, context: Context
    ) -> project_pb2.UpdateProjectResponse:
        target = parse(Target, request)
        changes = parse_changes(ProjectChanges, request, project_pb2.Project.DESCRIPTOR)
        async with self._db.write() as session:
            project = await service.update_project(session, target, changes)
            return session.answer(project_pb2.UpdateProjectResponse(project=project_to_proto(project)))

    async def DeleteProject(
        self, request: project_pb2.DeleteProjectRequest, context: Context
    ) -> project_pb2.DeleteProjectResponse:
        deletion = parse(ProjectDeletion, request)
        async with self._db.write() as session:
            await service.delete_project(session, deletion)
            return session.answer(project_pb2.DeleteProjectResponse())
