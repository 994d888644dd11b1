"""Project: see the service in the contract. Generated from protos/ by `make generate`. Do not edit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from stagely.v1 import project_pb2, project_pb2_grpc
from stagely_rpc.client.paging import Pager, SyncPager
from stagely_rpc.client.requests import UNSET, build, build_update, new_request_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf import struct_pb2

    from stagely_rpc.client.calls import Calls
    from stagely_rpc.client.requests import Unset
    from stagely_rpc.client.sync_calls import SyncCalls

PreviewSizeName = Literal["small", "medium", "large", "xlarge"]
RepoProviderName = Literal["github", "gitlab", "bitbucket"]


class Projects:
    """ProjectService manages projects: git repositories whose pull requests get preview environments."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._rpcs = project_pb2_grpc.ProjectServiceStub(calls.channel)

    async def create(
        self,
        *,
        team_id: str,
        slug: str,
        name: str,
        repo_url: str,
        repo_provider: project_pb2.RepoProvider.ValueType | RepoProviderName | None = None,
        default_branch: str | None = None,
        cloud_provider_id: str | None = None,
        default_preview_size: project_pb2.PreviewSize.ValueType | PreviewSizeName | None = None,
        config: struct_pb2.Struct | Mapping[str, object] | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> project_pb2.Project:
        """CreateProject adds an active project to a team.

        Codes:
        - NOT_FOUND: there is no such team, or the team has no such cloud provider.
        - ALREADY_EXISTS: the team already has a project with this slug (PROJECT_SLUG_TAKEN).
        - FAILED_PRECONDITION: the team is deleted (TEAM_DELETED).

        Args:
            team_id: Required.
            slug: Required. 2 to 100 characters: lower-case letters, digits and hyphens. Must not start or end with a
                hyphen.
            name: Required. 1 to 255 characters.
            repo_url: Required. At most 2,000 visible ASCII characters: an https, http, ssh or git URL with a host and a
                path, or `user@host:path`. Must not have a query, a fragment or credentials. Only an ssh URL may name a
                user.
            repo_provider: Default: REPO_PROVIDER_GITHUB.
            default_branch: A valid git branch name (git-check-ref-format) of at most 100 characters. Default: `main`.
            cloud_provider_id: A cloud provider of the same team.
            default_preview_size: Default: PREVIEW_SIZE_MEDIUM.
            config: A JSON object of at most 65,536 bytes as JSON, nested at most 20 levels deep. Default: an empty
                object.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            project_pb2.CreateProjectRequest,
            {
                "team_id": team_id,
                "slug": slug,
                "name": name,
                "repo_url": repo_url,
                "repo_provider": repo_provider,
                "default_branch": default_branch,
                "cloud_provider_id": cloud_provider_id,
                "default_preview_size": default_preview_size,
                "config": config,
                "request_id": request_id or new_request_id(),
            },
        )
        response = await self._calls.unary(self._rpcs.CreateProject, request, timeout)
        return response.project

    async def get(
        self,
        id: str | None = None,
        *,
        team_slug: project_pb2.ProjectSlug | Mapping[str, object] | None = None,
        timeout: float | None = None,
    ) -> project_pb2.Project:
        """GetProject returns one project by its id, or by its team and slug.

        Codes:
        - NOT_FOUND: there is no such project.

        Args:
            id: Give exactly one of id and team_slug.
            team_slug: Give exactly one of id and team_slug.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(project_pb2.GetProjectRequest, {"id": id, "team_slug": team_slug})
        response = await self._calls.unary(self._rpcs.GetProject, request, timeout)
        return response.project

    def list(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        team_id: str | None = None,
        repo_url: str | None = None,
        cloud_provider_id: str | None = None,
        is_active: bool | None = None,
        timeout: float | None = None,
    ) -> Pager[project_pb2.Project, project_pb2.ListProjectsResponse]:
        """ListProjects returns projects, newest first.

        Args:
            page_size: Maximum number of projects. Default: 50, maximum: 500.
            page_token: The `next_page_token` of the previous page. Empty: the first page.
            team_id: Only projects of this team.
            repo_url: Only projects with exactly this `repo_url`.
            cloud_provider_id: Only projects that use this cloud provider.
            is_active: True: only active projects. False: only archived ones.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            project_pb2.ListProjectsRequest,
            {
                "page_size": page_size,
                "page_token": page_token,
                "team_id": team_id,
                "repo_url": repo_url,
                "cloud_provider_id": cloud_provider_id,
                "is_active": is_active,
            },
        )
        return Pager(
            lambda page: self._calls.unary(self._rpcs.ListProjects, page, timeout), request, lambda page: page.projects
        )

    async def update(
        self,
        id: str,
        *,
        etag: str | None = None,
        name: str | None | Unset = UNSET,
        repo_url: str | None | Unset = UNSET,
        repo_provider: project_pb2.RepoProvider.ValueType | RepoProviderName | None | Unset = UNSET,
        default_branch: str | None | Unset = UNSET,
        cloud_provider_id: str | None | Unset = UNSET,
        default_preview_size: project_pb2.PreviewSize.ValueType | PreviewSizeName | None | Unset = UNSET,
        config: struct_pb2.Struct | Mapping[str, object] | None | Unset = UNSET,
        is_active: bool | None | Unset = UNSET,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> project_pb2.Project:
        """UpdateProject changes a project. Setting `is_active` to false archives the project: it gets no new
        environments. The team and the slug can't change.

        Codes:
        - NOT_FOUND: there is no such project, or its team has no such cloud provider.
        - FAILED_PRECONDITION: the team is deleted (TEAM_DELETED).
        - ABORTED: the etag is stale.

        Args:
            id: Required.
            etag: The expected etag of the resource. Unset: no check.
            name: As in CreateProjectRequest. Can't be cleared.
            repo_url: As in CreateProjectRequest. Can't be cleared.
            repo_provider: Cleared: REPO_PROVIDER_GITHUB.
            default_branch: As in CreateProjectRequest. Cleared: `main`.
            cloud_provider_id: As in CreateProjectRequest.
            default_preview_size: Cleared: PREVIEW_SIZE_MEDIUM.
            config: As in CreateProjectRequest. The new object replaces the old one. Cleared: an empty object.
            is_active: Cleared: true.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build_update(
            project_pb2.UpdateProjectRequest,
            {"id": id, "etag": etag, "request_id": request_id or new_request_id()},
            {
                "name": name,
                "repo_url": repo_url,
                "repo_provider": repo_provider,
                "default_branch": default_branch,
                "cloud_provider_id": cloud_provider_id,
                "default_preview_size": default_preview_size,
                "config": config,
                "is_active": is_active,
            },
        )
        response = await self._calls.unary(self._rpcs.UpdateProject, request, timeout)
        return response.project

    async def delete(
        self,
        id: str,
        *,
        etag: str | None = None,
        force: bool | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """DeleteProject deletes a project with its secrets and environments permanently. Its slug can be used again.
        With `force` it deletes live environments too. Their VMs keep running, and the caller must tear them down:
        list the environments first, because the store forgets them.

        Codes:
        - NOT_FOUND: there is no such project.
        - FAILED_PRECONDITION: it has live environments, and `force` is not set (PROJECT_HAS_LIVE_ENVIRONMENTS); or
          the team is deleted (TEAM_DELETED).
        - ABORTED: the etag is stale.

        Args:
            id: Required.
            etag: The expected etag of the resource. Unset: no check.
            force: Delete the project even if it has live environments.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            project_pb2.DeleteProjectRequest,
            {"id": id, "etag": etag, "force": force, "request_id": request_id or new_request_id()},
        )
        await self._calls.unary(self._rpcs.DeleteProject, request, timeout)


class SyncProjects:
    """ProjectService manages projects: git repositories whose pull requests get preview environments."""

    def __init__(self, calls: SyncCalls) -> None:
        self._calls = calls
        self._rpcs = project_pb2_grpc.ProjectServiceStub(calls.channel)

    def create(
        self,
        *,
        team_id: str,
        slug: str,
        name: str,
        repo_url: str,
        repo_provider: project_pb2.RepoProvider.ValueType | RepoProviderName | None = None,
        default_branch: str | None = None,
        cloud_provider_id: str | None = None,
        default_preview_size: project_pb2.PreviewSize.ValueType | PreviewSizeName | None = None,
        config: struct_pb2.Struct | Mapping[str, object] | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> project_pb2.Project:
        """CreateProject adds an active project to a team.

        Codes:
        - NOT_FOUND: there is no such team, or the team has no such cloud provider.
        - ALREADY_EXISTS: the team already has a project with this slug (PROJECT_SLUG_TAKEN).
        - FAILED_PRECONDITION: the team is deleted (TEAM_DELETED).

        Args:
            team_id: Required.
            slug: Required. 2 to 100 characters: lower-case letters, digits and hyphens. Must not start or end with a
                hyphen.
            name: Required. 1 to 255 characters.
            repo_url: Required. At most 2,000 visible ASCII characters: an https, http, ssh or git URL with a host and a
                path, or `user@host:path`. Must not have a query, a fragment or credentials. Only an ssh URL may name a
                user.
            repo_provider: Default: REPO_PROVIDER_GITHUB.
            default_branch: A valid git branch name (git-check-ref-format) of at most 100 characters. Default: `main`.
            cloud_provider_id: A cloud provider of the same team.
            default_preview_size: Default: PREVIEW_SIZE_MEDIUM.
            config: A JSON object of at most 65,536 bytes as JSON, nested at most 20 levels deep. Default: an empty
                object.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            project_pb2.CreateProjectRequest,
            {
                "team_id": team_id,
                "slug": slug,
                "name": name,
                "repo_url": repo_url,
                "repo_provider": repo_provider,
                "default_branch": default_branch,
                "cloud_provider_id": cloud_provider_id,
                "default_preview_size": default_preview_size,
                "config": config,
                "request_id": request_id or new_request_id(),
            },
        )
        response = self._calls.unary(self._rpcs.CreateProject, request, timeout)
        return response.project

    def get(
        self,
        id: str | None = None,
        *,
        team_slug: project_pb2.ProjectSlug | Mapping[str, object] | None = None,
        timeout: float | None = None,
    ) -> project_pb2.Project:
        """GetProject returns one project by its id, or by its team and slug.

        Codes:
        - NOT_FOUND: there is no such project.

        Args:
            id: Give exactly one of id and team_slug.
            team_slug: Give exactly one of id and team_slug.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(project_pb2.GetProjectRequest, {"id": id, "team_slug": team_slug})
        response = self._calls.unary(self._rpcs.GetProject, request, timeout)
        return response.project

    def list(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        team_id: str | None = None,
        repo_url: str | None = None,
        cloud_provider_id: str | None = None,
        is_active: bool | None = None,
        timeout: float | None = None,
    ) -> SyncPager[project_pb2.Project, project_pb2.ListProjectsResponse]:
        """ListProjects returns projects, newest first.

        Args:
            page_size: Maximum number of projects. Default: 50, maximum: 500.
            page_token: The `next_page_token` of the previous page. Empty: the first page.
            team_id: Only projects of this team.
            repo_url: Only projects with exactly this `repo_url`.
            cloud_provider_id: Only projects that use this cloud provider.
            is_active: True: only active projects. False: only archived ones.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            project_pb2.ListProjectsRequest,
            {
                "page_size": page_size,
                "page_token": page_token,
                "team_id": team_id,
                "repo_url": repo_url,
                "cloud_provider_id": cloud_provider_id,
                "is_active": is_active,
            },
        )
        return SyncPager(
            lambda page: self._calls.unary(self._rpcs.ListProjects, page, timeout), request, lambda page: page.projects
        )

    def update(
        self,
        id: str,
        *,
        etag: str | None = None,
        name: str | None | Unset = UNSET,
        repo_url: str | None | Unset = UNSET,
        repo_provider: project_pb2.RepoProvider.ValueType | RepoProviderName | None | Unset = UNSET,
        default_branch: str | None | Unset = UNSET,
        cloud_provider_id: str | None | Unset = UNSET,
        default_preview_size: project_pb2.PreviewSize.ValueType | PreviewSizeName | None | Unset = UNSET,
        config: struct_pb2.Struct | Mapping[str, object] | None | Unset = UNSET,
        is_active: bool | None | Unset = UNSET,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> project_pb2.Project:
        """UpdateProject changes a project. Setting `is_active` to false archives the project: it gets no new
        environments. The team and the slug can't change.

        Codes:
        - NOT_FOUND: there is no such project, or its team has no such cloud provider.
        - FAILED_PRECONDITION: the team is deleted (TEAM_DELETED).
        - ABORTED: the etag is stale.

        Args:
            id: Required.
            etag: The expected etag of the resource. Unset: no check.
            name: As in CreateProjectRequest. Can't be cleared.
            repo_url: As in CreateProjectRequest. Can't be cleared.
            repo_provider: Cleared: REPO_PROVIDER_GITHUB.
            default_branch: As in CreateProjectRequest. Cleared: `main`.
            cloud_provider_id: As in CreateProjectRequest.
            default_preview_size: Cleared: PREVIEW_SIZE_MEDIUM.
            config: As in CreateProjectRequest. The new object replaces the old one. Cleared: an empty object.
            is_active: Cleared: true.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build_update(
            project_pb2.UpdateProjectRequest,
            {"id": id, "etag": etag, "request_id": request_id or new_request_id()},
            {
                "name": name,
                "repo_url": repo_url,
                "repo_provider": repo_provider,
                "default_branch": default_branch,
                "cloud_provider_id": cloud_provider_id,
                "default_preview_size": default_preview_size,
                "config": config,
                "is_active": is_active,
            },
        )
        response = self._calls.unary(self._rpcs.UpdateProject, request, timeout)
        return response.project

    def delete(
        self,
        id: str,
        *,
        etag: str | None = None,
        force: bool | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """DeleteProject deletes a project with its secrets and environments permanently. Its slug can be used again.
        With `force` it deletes live environments too. Their VMs keep running, and the caller must tear them down:
        list the environments first, because the store forgets them.

        Codes:
        - NOT_FOUND: there is no such project.
        - FAILED_PRECONDITION: it has live environments, and `force` is not set (PROJECT_HAS_LIVE_ENVIRONMENTS); or
          the team is deleted (TEAM_DELETED).
        - ABORTED: the etag is stale.

        Args:
            id: Required.
            etag: The expected etag of the resource. Unset: no check.
            force: Delete the project even if it has live environments.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            project_pb2.DeleteProjectRequest,
            {"id": id, "etag": etag, "force": force, "request_id": request_id or new_request_id()},
        )
        self._calls.unary(self._rpcs.DeleteProject, request, timeout)
