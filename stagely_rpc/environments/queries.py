"""Every SQL statement about environments."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert

from stagely_rpc.db.models import LIVE_STATUSES, Environment, Project
from stagely_rpc.db.paging import Found, Page, fetch_page
from stagely_rpc.db.reads import fetch_one

if TYPE_CHECKING:
    import uuid

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncSession

    from stagely_rpc.environments.inputs import (
        EnvironmentFilter,
        EnvironmentKey,
        NewEnvironment,
        PullRequest,
        PullRequestHead,
    )

CLOSED_STATUSES = ("terminated", "reaped")
"""An environment in one of these is ended for good: its pull request is free for another."""


# Built once, and of the table, as in teams: the edge router asks for an environment with each request of its own.
_COLUMNS = Environment.__table__
_BY_ID = select(_COLUMNS).where(Environment.id == bindparam("key"))
_BY_SUBDOMAIN = select(_COLUMNS).where(Environment.subdomain_hash == bindparam("key"))


async def get_environment(session: AsyncSession, key: EnvironmentKey) -> Environment | None:
    """Return an environment by its id or subdomain, or the open one of a pull request, to read."""
    if key.pull_request is not None:
        found = await fetch_one(session, select(_COLUMNS).where(*_is_open(key.pull_request)))
    elif key.subdomain_hash is not None:
        found = await fetch_one(session, _BY_SUBDOMAIN, key=key.subdomain_hash)
    else:
        found = await fetch_one(session, _BY_ID, key=key.id)
    return cast("Environment | None", found)


def _is_open(of: PullRequest) -> tuple[ColumnElement[bool], ...]:
    return (
        Environment.project_id == of.project_id,
        Environment.pr_number == of.pr_number,
        Environment.status.not_in(CLOSED_STATUSES),
    )


async def list_environments(
    session: AsyncSession, wanted: EnvironmentFilter, page: Page, visible: ColumnElement[bool]
) -> Found[Environment]:
    """Return a page of the visible environments."""
    statement = select(Environment).where(visible)
    if wanted.team_id:
        projects = select(Project.id).where(Project.team_id == wanted.team_id)
        statement = statement.where(Environment.project_id.in_(projects))
    if wanted.project_id:
        statement = statement.where(Environment.project_id == wanted.project_id)
    if wanted.pr_number:
        statement = statement.where(Environment.pr_number == wanted.pr_number)
    if wanted.branch_name:
        statement = statement.where(Environment.branch_name == wanted.branch_name)
    if wanted.statuses:
        statement = statement.where(Environment.status.in_(wanted.statuses))
    if wanted.live_only:
        statement = statement.where(Environment.status.in_(LIVE_STATUSES))
    return await fetch_page(session, statement, Environment, page)


async def get_project_of(session: AsyncSession, environment_id: uuid.UUID) -> Project | None:
    """Return the project of an environment."""
    statement = select(Project).join(Environment, Environment.project_id == Project.id)
    return await session.scalar(statement.where(Environment.id == environment_id))


async def hold_project(session: AsyncSession, project_id: uuid.UUID) -> Project | None:
    """Return a project as it is once no one changes it, and keep it so until the transaction ends."""
    statement = select(Project).where(Project.id == project_id).with_for_update(read=True)
    return await session.scalar(statement.execution_options(populate_existing=True))


async def lock_environment(session: AsyncSession, environment_id: uuid.UUID) -> Environment | None:
    """Return an environment and hold it until the transaction ends."""
    statement = select(Environment).where(Environment.id == environment_id).with_for_update(key_share=True)
    return await session.scalar(statement)


async def lock_open_environment(session: AsyncSession, of: PullRequest) -> Environment | None:
    """Return the open environment of a pull request and hold it: until the transaction ends it stays open."""
    return await session.scalar(select(Environment).where(*_is_open(of)).with_for_update(key_share=True))


async def set_status(session: AsyncSession, environment: Environment, status: str) -> Environment:
    """Give an environment another status, and note the time of what is dated."""
    values: dict[str, object] = {"status": status}
    if status == "ready":
        values["deployed_at"] = func.now()
    if status in CLOSED_STATUSES:
        values["terminated_at"] = func.now()
    statement = update(Environment).where(Environment.id == environment.id).values(values).returning(Environment)
    return (await session.scalars(statement.execution_options(populate_existing=True))).one()


async def add_environment(
    session: AsyncSession, new: NewEnvironment | PullRequestHead, subdomain_hash: str
) -> Environment | None:
    """Add a pending environment; None, and nothing is added, if its subdomain is another's.

    Unlike a failed INSERT, that leaves the transaction in order: the caller may try another subdomain.
    """
    statement = (
        insert(Environment)
        .values(**new.model_dump(), subdomain_hash=subdomain_hash)
        .on_conflict_do_nothing(index_elements=[Environment.subdomain_hash])
        .returning(Environment)
    )
    return await session.scalar(statement)
