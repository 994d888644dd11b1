"""Every SQL statement about who may do what."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from sqlalchemy import ColumnElement, and_, bindparam, exists, or_, select
from sqlalchemy.orm import aliased

from stagely_rpc.db.models import Project, TeamMember, User
from stagely_rpc.db.reads import fetch_one

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import InstrumentedAttribute

    from stagely_rpc.call import Role

_USER = select(User.email, User.is_active).where(User.id == bindparam("user_id"))
_ROLE = select(TeamMember.role).where(
    TeamMember.team_id == bindparam("team_id"), TeamMember.user_id == bindparam("user_id")
)
_TEAM_OF_PROJECT = select(Project.team_id).where(Project.id == bindparam("project_id"))


async def get_user(session: AsyncSession, user_id: uuid.UUID) -> Row[tuple[str, bool]] | None:
    """Return the e-mail address of a user, and whether it is active."""
    return await fetch_one(session, _USER, user_id=user_id)


async def get_role(session: AsyncSession, team_id: uuid.UUID, user_id: uuid.UUID) -> Role | None:
    """Return what a user is in a team; None for nothing."""
    found = await fetch_one(session, _ROLE, team_id=team_id, user_id=user_id)
    return cast("Role | None", found and found.role)


async def get_team_id(session: AsyncSession, project_id: uuid.UUID) -> uuid.UUID | None:
    """Return the team of a project."""
    found = await fetch_one(session, _TEAM_OF_PROJECT, project_id=project_id)
    return cast("uuid.UUID | None", found and found.team_id)


async def share_team(session: AsyncSession, one: uuid.UUID, other: uuid.UUID) -> bool:
    """Tell whether two users are members of one team."""
    return await fetch_one(session, select(User.id).where(User.id == other, _is_teammate(one))) is not None


def in_team_of(
    team_id: InstrumentedAttribute[uuid.UUID] | InstrumentedAttribute[uuid.UUID | None],
    user_id: uuid.UUID,
    roles: Iterable[Role],
) -> ColumnElement[bool]:
    """Return the condition that a user has one of these roles in the team of a row."""
    return team_id.in_(select(TeamMember.team_id).where(TeamMember.user_id == user_id, TeamMember.role.in_(roles)))


def is_member(user_id: uuid.UUID, team_id: uuid.UUID) -> ColumnElement[bool]:
    """Return the condition that a user is in a team."""
    return exists().where(TeamMember.user_id == user_id, TeamMember.team_id == team_id)


def in_project_where(
    project_id: InstrumentedAttribute[uuid.UUID], condition: ColumnElement[bool]
) -> ColumnElement[bool]:
    """Return the condition that the project of a row meets a condition."""
    return project_id.in_(select(Project.id).where(condition))


def is_acquainted(user_id: uuid.UUID) -> ColumnElement[bool]:
    """Return the condition that a row of users is this user, or a member of a team with it."""
    return or_(User.id == user_id, _is_teammate(user_id))


def _is_teammate(user_id: uuid.UUID) -> ColumnElement[bool]:
    own, theirs = aliased(TeamMember), aliased(TeamMember)
    return exists().where(and_(own.user_id == user_id, theirs.team_id == own.team_id, theirs.user_id == User.id))
