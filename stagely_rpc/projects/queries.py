"""Every SQL statement about projects."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, select

from stagely_rpc.db.batching.point_read import PointRead
from stagely_rpc.db.models import LIVE_STATUSES, Environment, Project
from stagely_rpc.db.paging import Found, Listing, Page
from stagely_rpc.db.sql.statement import Statement, is_one_of

if TYPE_CHECKING:
    import uuid

    from sqlalchemy import ColumnElement

    from stagely_rpc.db.session import Session
    from stagely_rpc.db.sql.statement import Query
    from stagely_rpc.projects.inputs import ProjectFilter

_PROJECTS = select(Project.__table__)

PROJECT_BY_ID = PointRead[Project]("project by id", _PROJECTS, Project.id)
PROJECT_BY_SLUG = PointRead[Project]("project by slug", _PROJECTS, Project.team_id, Project.slug)

_IS_IT = Project.id == bindparam("id")
_HOLD = Statement(_PROJECTS.where(_IS_IT).with_for_update(read=True))
_LIVE_ENVIRONMENTS = Statement(
    select(func.count()).where(Environment.project_id == bindparam("id"), is_one_of(Environment.status, LIVE_STATUSES))
)


def hold_project(project_id: uuid.UUID) -> Query[Project | None]:
    """Return the query for a project as it is once no one changes it, kept so until the transaction ends."""
    return _HOLD.row(Project, id=project_id)


def lock_project(project_id: uuid.UUID, *, to_delete: bool = False) -> Query[Project | None]:
    """Return the query for a project, held until the transaction ends.

    To be deleted, it is held against new environments and secrets too, which else only refer to it.
    """
    return _lock(to_delete=to_delete).row(Project, id=project_id)


@cache
def _lock(*, to_delete: bool) -> Statement:
    return Statement(_PROJECTS.where(_IS_IT).with_for_update(key_share=not to_delete))


def count_live_environments(project_id: uuid.UUID) -> Query[int]:
    """Return the query for how many live environments a project has."""
    return _LIVE_ENVIRONMENTS.value(id=project_id)


_LIST = Listing(Project, "team_id", "repo_url", "cloud_provider_id", "is_active")


async def list_projects(
    session: Session, wanted: ProjectFilter, page: Page, visible: ColumnElement[bool]
) -> Found[Project]:
    """Return a page of the visible projects."""
    return await _LIST.fetch(session, page, wanted.model_dump(), visible)
