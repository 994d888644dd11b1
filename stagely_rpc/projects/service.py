"""The rules of projects."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from stagely_rpc import access
from stagely_rpc.cloud_providers import service as cloud_providers
from stagely_rpc.db.errors import constraint
from stagely_rpc.db.etag import check_etag
from stagely_rpc.db.models import Project
from stagely_rpc.db.session import state
from stagely_rpc.errors import AlreadyExistsError, FailedPreconditionError, NotFoundError
from stagely_rpc.projects import queries
from stagely_rpc.projects.inputs import ProjectKey
from stagely_rpc.teams import service as teams

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterator

    from stagely_rpc.db.paging import Found, Page
    from stagely_rpc.db.session import Session, WriteSession
    from stagely_rpc.inputs import Target
    from stagely_rpc.projects.inputs import NewProject, ProjectChanges, ProjectDeletion, ProjectFilter


async def create_project(session: WriteSession, new: NewProject) -> Project:
    """Add a project to a team.

    Raises:
        NotFoundError: there is no such team, or it has no such cloud provider.
        FailedPreconditionError: the team is deleted.
        AlreadyExistsError: the slug is taken in the team.
    """
    await teams.hold_live_team(session, new.team_id)
    if new.cloud_provider_id:
        await cloud_providers.get_provider_of_team(session, new.cloud_provider_id, new.team_id)
    taken = AlreadyExistsError(
        f"project slug {new.slug!r} is taken in the team",
        resource_type="Project",
        resource_name=new.slug,
        reason="PROJECT_SLUG_TAKEN",
    )
    project = Project(**new.model_dump())
    session.add(project)
    with constraint("unique_project_slug", taken), _lost_cloud_provider(new.cloud_provider_id):
        await session.flush()
    session.record(project)
    return project


async def get_project(session: Session, key: ProjectKey) -> Project:
    """Return a project, active or not.

    Raises:
        NotFoundError: there is none.
    """
    project = await queries.get_project(session, key)
    if project is None:
        raise _not_found(key)
    await access.require_team(session, project.team_id, _not_found(key))
    return project


async def list_projects(session: Session, wanted: ProjectFilter, page: Page) -> Found[Project]:
    """Return a page of projects."""
    return await queries.list_projects(session, wanted, page, access.visible(session, Project.team_id))


async def update_project(session: WriteSession, target: Target, changes: ProjectChanges) -> Project:
    """Change a project.

    Raises:
        NotFoundError: there is none, or its team has no such cloud provider.
        FailedPreconditionError: its team is deleted.
        AbortedError: the etag is stale.
    """
    project = await _lock_project(session, target)
    values = changes.model_dump(exclude_unset=True)
    if cloud_provider_id := values.get("cloud_provider_id"):
        await cloud_providers.get_provider_of_team(session, cloud_provider_id, project.team_id)
    before = state(project)
    for name, value in values.items():
        setattr(project, name, value)
    with _lost_cloud_provider(cloud_provider_id):
        await session.flush()
    session.record(project, before=before)
    return project


async def delete_project(session: WriteSession, deletion: ProjectDeletion) -> None:
    """Delete a project with all that belongs to it.

    Raises:
        NotFoundError: there is none.
        FailedPreconditionError: it has live environments and the deletion is not forced, or its team is deleted.
        AbortedError: the etag is stale.
    """
    project = await _lock_project(session, deletion, to_delete=True)
    if not deletion.force and (live := await queries.count_live_environments(session, project.id)):
        message = f"project {project.slug!r} has {live} live environments: terminate them first, or force"
        raise FailedPreconditionError(message, subject=f"Project {project.id}", reason="PROJECT_HAS_LIVE_ENVIRONMENTS")
    before = state(project)
    await session.delete(project)
    await session.flush()
    session.record(project, before=before)


async def _lock_project(session: WriteSession, target: Target | ProjectDeletion, *, to_delete: bool = False) -> Project:
    """Return a project of a live team, with both held in this order."""
    project = await get_project(session, ProjectKey(id=target.id))
    await teams.hold_live_team(session, project.team_id)
    locked = await queries.lock_project(session, target.id, to_delete=to_delete)
    if locked is None:
        raise NotFoundError("Project", target.id)
    check_etag(locked, target.etag)
    return locked


def _not_found(key: ProjectKey) -> NotFoundError:
    return NotFoundError("Project", key.team_slug.slug if key.team_slug else key.id)


@contextmanager
def _lost_cloud_provider(cloud_provider_id: uuid.UUID | None) -> Iterator[None]:
    """Report a cloud provider that is deleted after it was looked up as not found."""
    with constraint("fk_projects_cloud_provider", NotFoundError("CloudProvider", cloud_provider_id)):
        yield
