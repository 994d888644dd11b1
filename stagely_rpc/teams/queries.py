"""Every SQL statement about teams and their members."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from sqlalchemy import bindparam, exists, func, select, update

from stagely_rpc.db.models import LIVE_STATUSES, Environment, Project, Team, TeamMember
from stagely_rpc.db.paging import Found, Page, fetch_page
from stagely_rpc.db.reads import fetch_one

if TYPE_CHECKING:
    import uuid

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncSession

    from stagely_rpc.teams.inputs import MemberFilter, TeamFilter, TeamKey


# Built once, and of the table: building a statement costs a fifth of a point read, and making an object of the session
# of what it returns, a tenth. The row has the attributes of a Team and can't be changed.
_TEAM_BY_ID = select(Team.__table__).where(Team.id == bindparam("key"))
_TEAM_BY_SLUG = select(Team.__table__).where(Team.slug == bindparam("key"))


async def get_team(session: AsyncSession, key: TeamKey) -> Team | None:
    """Return a team, deleted or not, by its id or slug, to read."""
    statement = _TEAM_BY_ID if key.id else _TEAM_BY_SLUG
    return cast("Team | None", await fetch_one(session, statement, key=key.id or key.slug))


async def lock_team(session: AsyncSession, team_id: uuid.UUID) -> Team | None:
    """Return a team and hold it until the transaction ends, without getting in the way of what only refers to it."""
    statement = select(Team).where(Team.id == team_id).with_for_update(key_share=True)
    return await session.scalar(statement.execution_options(populate_existing=True))


async def mark_deleted(session: AsyncSession, team: Team) -> Team:
    """Set when a team was deleted: now."""
    statement = update(Team).where(Team.id == team.id).values(deleted_at=func.now()).returning(Team)
    return (await session.scalars(statement.execution_options(populate_existing=True))).one()


async def hold_team(session: AsyncSession, team_id: uuid.UUID) -> Team | None:
    """Return a team and keep it as it is until the transaction ends; others may do the same meanwhile."""
    statement = select(Team).where(Team.id == team_id).with_for_update(read=True)
    return await session.scalar(statement.execution_options(populate_existing=True))


async def list_teams(
    session: AsyncSession, wanted: TeamFilter, page: Page, visible: ColumnElement[bool]
) -> Found[Team]:
    """Return a page of the visible teams."""
    statement = select(Team).where(visible)
    if not wanted.show_deleted:
        statement = statement.where(Team.deleted_at.is_(None))
    if wanted.billing_plan:
        statement = statement.where(Team.billing_plan == wanted.billing_plan)
    if wanted.user_id:
        statement = statement.where(exists().where(TeamMember.team_id == Team.id, TeamMember.user_id == wanted.user_id))
    return await fetch_page(session, statement, Team, page)


async def count_live_environments(session: AsyncSession, team_id: uuid.UUID) -> int:
    """Count a team's live environments."""
    statement = (
        select(func.count())
        .select_from(Environment)
        .join(Project, Project.id == Environment.project_id)
        .where(Project.team_id == team_id, Environment.status.in_(LIVE_STATUSES))
    )
    return (await session.scalars(statement)).one()


async def get_member(session: AsyncSession, team_id: uuid.UUID, user_id: uuid.UUID) -> TeamMember | None:
    """Return a user's membership in a team."""
    return await session.scalar(select(TeamMember).where(TeamMember.team_id == team_id, TeamMember.user_id == user_id))


async def count_owners(session: AsyncSession, team_id: uuid.UUID) -> int:
    """Count a team's owners."""
    statement = select(func.count()).where(TeamMember.team_id == team_id, TeamMember.role == "owner")
    return (await session.scalars(statement)).one()


async def list_members(session: AsyncSession, wanted: MemberFilter, page: Page) -> Found[TeamMember]:
    """Return a page of a team's members."""
    statement = select(TeamMember).where(TeamMember.team_id == wanted.team_id)
    if wanted.role:
        statement = statement.where(TeamMember.role == wanted.role)
    return await fetch_page(session, statement, TeamMember, page)
