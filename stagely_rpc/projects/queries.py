"""Every SQL statement about projects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from stagely_rpc.db.models import LIVE_STATUSES, Environment, Project
from stagely_rpc.db.paging import Found, Page, fetch_page

if TYPE_CHECKING:
    import uuid

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncSession

    from stagely_rpc.projects.inputs import ProjectFilter, ProjectKey


async def get_project(session: AsyncSession, key: ProjectKey) -> Project | None:
    """Return a project, active or not, by its id, or by its team and slug."""
    columns = key.team_slug.model_dump() if key.team_slug else {"id": key.id}
    return await session.scalar(select(Project).filter_by(**columns))


async def lock_project(session: AsyncSession, project_id: uuid.UUID, *, to_delete: bool = False) -> Project | None:
    """Return a project and hold it until the transaction ends.

    To be deleted, it is held against new environments and secrets too, which else only refer to it.
    """
    statement = select(Project).where(Project.id == project_id).with_for_update(key_share=not to_delete)
    return await session.scalar(statement.execution_options(populate_existing=True))


async def list_projects(
    session: AsyncSession, wanted: ProjectFilter, page: Page, visible: ColumnElement[bool]
) -> Found[Project]:
    """Return a page of the visible projects."""
    statement = select(Project).where(visible).filter_by(**wanted.model_dump(exclude_none=True))
    return await fetch_page(session, statement, Project, page)


async def count_live_environments(session: AsyncSession, project_id: uuid.UUID) -> int:
    """Count a project's live environments."""
    statement = select(func.count()).where(Environment.project_id == project_id, Environment.status.in_(LIVE_STATUSES))
    return (await session.scalars(statement)).one()
