"""The rules of projects."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from stagely_rpc import access
from stagely_rpc.access import ResourceRef
from stagely_rpc.cloud_providers import service as cloud_providers
from stagely_rpc.db.models import Project, Team
from stagely_rpc.db.models.rows import ProjectRow
from stagely_rpc.errors import AlreadyExistsError, FailedPreconditionError, NotFoundError
from stagely_rpc.projects import queries
from stagely_rpc.quotas import service as quotas

if TYPE_CHECKING:
    import uuid

    from stagely_rpc.db.paging import Found, Page
    from stagely_rpc.db.session import Session
    from stagely_rpc.db.sql.statement import Query
    from stagely_rpc.db.write_session import OnConstraint, WriteSession
    from stagely_rpc.fields import Target
    from stagely_rpc.projects.inputs import NewProject, ProjectChanges, ProjectDeletion, ProjectFilter, ProjectKey


async def create_project(session: WriteSession, new: NewProject) -> ProjectRow:
    """Add a project to a team.

    Raises:
        NotFoundError: there is no such team, or it has no such cloud provider.
        FailedPreconditionError: the team is deleted.
        AlreadyExistsError: the slug is taken in the team.
    """
    not_found = NotFoundError("Team", new.team_id)
    _, *providers = await access.lock_team(
        session, ResourceRef(Team, new.team_id), not_found, *_provider_query(new.cloud_provider_id)
    )
    if new.cloud_provider_id:
        cloud_providers.require_in_team(providers[0], new.cloud_provider_id, new.team_id)
    on_constraint: OnConstraint = {
        "unique_project_slug": partial(_slug_taken, new.slug),
        "fk_projects_cloud_provider": partial(NotFoundError, "CloudProvider", new.cloud_provider_id),
    }
    project = session.insert(ProjectRow, new.model_dump(), on_constraint)
    session.record(None, project)
    return project


async def get_project(session: Session, key: ProjectKey) -> ProjectRow:
    """Return a project, active or not.

    Raises:
        NotFoundError: there is no such project.
    """
    if key.team_slug is None:
        project = await session.read(queries.PROJECT_BY_ID, key.id)
    else:
        project = await session.read(queries.PROJECT_BY_SLUG, key.team_slug.team_id, key.team_slug.slug)
    if project is None:
        raise _not_found(key)
    await access.require_team(session, project.team_id, _not_found(key))
    return project


async def list_projects(session: Session, wanted: ProjectFilter, page: Page) -> Found[ProjectRow]:
    """Return a page of projects."""
    return await queries.list_projects(session, wanted, page, access.visible(session, Project.team_id))


async def update_project(session: WriteSession, target: Target, changes: ProjectChanges) -> ProjectRow:
    """Change a project.

    Raises:
        NotFoundError: there is no such project, or its team has no such cloud provider.
        FailedPreconditionError: its team is deleted.
        AbortedError: the etag is stale.
    """
    values = changes.model_dump(exclude_unset=True)
    cloud_provider_id = values.get("cloud_provider_id")
    ref, lock = ResourceRef(Project, target.id), queries.lock_project(target.id)
    before, *providers = await access.lock_resource(session, ref, target, lock, *_provider_query(cloud_provider_id))
    if cloud_provider_id:
        cloud_providers.require_in_team(providers[0], cloud_provider_id, before.team_id)
    # The cloud provider may be deleted after it was read.
    on_constraint = {"fk_projects_cloud_provider": partial(NotFoundError, "CloudProvider", cloud_provider_id)}
    project = session.update(before, values, on_constraint)
    session.record(before, project)
    return project


async def delete_project(session: WriteSession, deletion: ProjectDeletion) -> None:
    """Delete a project with its environments and secrets.

    Raises:
        NotFoundError: there is no such project.
        FailedPreconditionError: it has live environments and the deletion is not forced, or its team is deleted.
        AbortedError: the etag is stale.
    """
    ref, lock = ResourceRef(Project, deletion.id), queries.lock_project(deletion.id, to_delete=True)
    count = quotas.live_environments_of_project(deletion.id)
    project, live = await access.lock_resource(session, ref, deletion, lock, count)
    if live and not deletion.force:
        message = f"project {project.slug!r} has {live} live environments: terminate them first, or force"
        raise FailedPreconditionError(message, subject=f"Project {project.id}", reason="PROJECT_HAS_LIVE_ENVIRONMENTS")
    session.delete(project)
    session.record(project, None)


def lock_for_share(project_id: uuid.UUID) -> Query[ProjectRow | None]:
    """Return the query that locks a project FOR SHARE. Pass its result to `require_active`."""
    return queries.lock_project_for_share(project_id)


def require_active(project: ProjectRow | None, not_found: NotFoundError) -> ProjectRow:
    """Return a project that exists and is not archived.

    Raises:
        NotFoundError: `not_found`.
        FailedPreconditionError: the project is archived.
    """
    if project is None:
        raise not_found
    if not project.is_active:
        message = f"project {project.slug!r} is archived"
        raise FailedPreconditionError(message, subject=f"Project {project.id}", reason="PROJECT_ARCHIVED")
    return project


def _not_found(key: ProjectKey) -> NotFoundError:
    return NotFoundError("Project", key.team_slug.slug if key.team_slug else key.id)


def _provider_query(cloud_provider_id: uuid.UUID | None) -> list[Query[Any]]:
    return [] if cloud_provider_id is None else [cloud_providers.by_id(cloud_provider_id)]


def _slug_taken(slug: str) -> AlreadyExistsError:
    message = f"project slug {slug!r} is taken in the team"
    return AlreadyExistsError(message, resource_type="Project", resource_name=slug, reason="PROJECT_SLUG_TAKEN")
