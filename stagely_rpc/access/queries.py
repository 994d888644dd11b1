"""Every SQL statement of authorization."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import ColumnElement, and_, bindparam, exists, or_, select
from sqlalchemy.orm import aliased

from stagely_rpc.access.ownership import team_id_of
from stagely_rpc.db.batching.point_read import PointRead
from stagely_rpc.db.models import Project, Team, TeamMember, User
from stagely_rpc.db.models.rows import TeamRow
from stagely_rpc.db.sql.statement import Statement

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable

    from sqlalchemy.orm import InstrumentedAttribute

    from stagely_rpc.access.ownership import ResourceRef
    from stagely_rpc.call import Role
    from stagely_rpc.db.models import Base
    from stagely_rpc.db.sql.statement import Query

_own, _theirs = aliased(TeamMember), aliased(TeamMember)


class ActingUser(NamedTuple):
    """The fields of a user that `admit` checks."""

    email: str
    is_active: bool


class Membership(NamedTuple):
    """The role of a user in a team."""

    role: Role


class TeamId(NamedTuple):
    """The id of a team."""

    team_id: uuid.UUID


USER = PointRead("acting user", ActingUser, select(User.email, User.is_active), User.id)
"""Key: the user's id."""

ROLE = PointRead("role", Membership, select(TeamMember.role), TeamMember.team_id, TeamMember.user_id)
"""Key: the ids of the team and the user."""

TEAM_OF_PROJECT = PointRead("team of project", TeamId, select(Project.team_id), Project.id)
"""Key: the project's id."""

TEAMMATES = PointRead(
    "teammates", TeamId, select(_own.team_id).where(_theirs.team_id == _own.team_id), _own.user_id, _theirs.user_id
)
"""A team that two users share. Key: the ids of the users."""


def get_team_id(ref: ResourceRef) -> Query[uuid.UUID | None]:
    """Return the query for the team that owns a resource; None if there is no such resource."""
    return _team_id(ref.model).value(ref=ref.id)


def get_role(ref: ResourceRef, user_id: uuid.UUID) -> Query[Role | None]:
    """Return the query for a user's role in the team that owns a resource; None if there is none."""
    return _role(ref.model).value(ref=ref.id, user_id=user_id)


def lock_team(ref: ResourceRef, *, exclusively: bool) -> Query[TeamRow | None]:
    """Return the query that locks the team that owns a resource.

    Args:
        ref: the resource.
        exclusively: whether to lock FOR NO KEY UPDATE instead of FOR SHARE.
    """
    return _lock(ref.model, exclusively=exclusively).first(ref=ref.id)


@cache
def _lock(model: type[Base], *, exclusively: bool) -> Statement[TeamRow]:
    team = select(Team.__table__).where(Team.id == team_id_of(model))
    locked = team.with_for_update(key_share=True) if exclusively else team.with_for_update(read=True)
    return Statement(locked, TeamRow)


@cache
def _team_id(model: type[Base]) -> Statement[Any]:
    return Statement(select(team_id_of(model)))


@cache
def _role(model: type[Base]) -> Statement[Any]:
    is_of_user = TeamMember.user_id == bindparam("user_id")
    return Statement(select(TeamMember.role).where(is_of_user, TeamMember.team_id == team_id_of(model)))


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


def is_self_or_teammate(user_id: uuid.UUID) -> ColumnElement[bool]:
    """Return the condition that a row of users is this user or a teammate."""
    return or_(User.id == user_id, _is_teammate(user_id))


def _is_teammate(user_id: uuid.UUID) -> ColumnElement[bool]:
    own, theirs = aliased(TeamMember), aliased(TeamMember)
    return exists().where(and_(own.user_id == user_id, theirs.team_id == own.team_id, theirs.user_id == User.id))
