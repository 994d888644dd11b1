"""Every SQL statement about projects."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select

from stagely_rpc.access import register_owner
from stagely_rpc.db.batching.point_read import PointRead
from stagely_rpc.db.models import Project
from stagely_rpc.db.models.rows import ProjectRow
from stagely_rpc.db.paging import Found, Listing, Page
from stagely_rpc.db.sql.statement import Statement

if TYPE_CHECKING:
    import uuid

    from sqlalchemy import ColumnElement

    from stagely_rpc.db.session import Session
    from stagely_rpc.db.sql.statement import Query
    from stagely_rpc.projects.inputs import ProjectFilter

register_owner(Project, Project.team_id)

_PROJECTS = select(Project.__table__)

PROJECT_BY_ID = PointRead("project by id", ProjectRow, _PROJECTS, Project.id)
PROJECT_BY_SLUG = PointRead("project by slug", ProjectRow, _PROJECTS, Project.team_id, Project.slug)

_HAS_ID = Project.id == bindparam("id")
_SHARE_LOCK = Statement(_PROJECTS.where(_HAS_ID).with_for_update(read=True), ProjectRow)


def lock_project_for_share(project_id: uuid.UUID) -> Query[ProjectRow | None]:
    """Return the query that locks a project FOR SHARE: it does not change until the transaction ends."""
    return _SHARE_LOCK.first(id=project_id)


def lock_project(project_id: uuid.UUID, *, to_delete: bool = False) -> Query[ProjectRow | None]:
    """Return the query that locks a project.

    The lock for a deletion also blocks new environments and secrets, which refer to the project.
    """
    return _lock(to_delete=to_delete).first(id=project_id)


@cache
def _lock(*, to_delete: bool) -> Statement[ProjectRow]:
    return Statement(_PROJECTS.where(_HAS_ID).with_for_update(key_share=not to_delete), ProjectRow)


_LIST = Listing(ProjectRow, "team_id", "repo_url", "cloud_provider_id", "is_active")


async def list_projects(
    session: Session, wanted: ProjectFilter, page: Page, visible: ColumnElement[bool]
) -> Found[ProjectRow]:
    """Return a page of the visible projects."""
    return await _LIST.fetch(session, page, wanted.model_dump(), visible)
