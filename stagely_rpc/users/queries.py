"""Every SQL statement about users."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import True_, bindparam, or_, select

from stagely_rpc.db.batching.point_read import PointRead
from stagely_rpc.db.models import TeamMember, User
from stagely_rpc.db.models.rows import UserRow
from stagely_rpc.db.paging import Found, Listing, Merge, Page
from stagely_rpc.db.sql.statement import Statement

if TYPE_CHECKING:
    import uuid

    from sqlalchemy import ColumnElement

    from stagely_rpc.db.session import Session
    from stagely_rpc.db.sql.statement import Query
    from stagely_rpc.users.inputs import UserFilter, UserLogin

_USERS = select(User.__table__)

USER_BY = {
    "id": PointRead("user by id", UserRow, _USERS, User.id),
    "email": PointRead("user by email", UserRow, _USERS, User.email),
    "github_id": PointRead("user by GitHub id", UserRow, _USERS, User.github_id),
    "google_id": PointRead("user by Google id", UserRow, _USERS, User.google_id),
}
"""The reads by the name of the key."""

_USER = Statement(_USERS.where(User.id == bindparam("id")), UserRow)
_LOCK = Statement(_USERS.where(User.id == bindparam("id")).with_for_update(key_share=True), UserRow)


def get_user(user_id: uuid.UUID) -> Query[UserRow | None]:
    """Return the query for a user, active or not."""
    return _USER.first(id=user_id)


def lock_user(user_id: uuid.UUID) -> Query[UserRow | None]:
    """Return the query that locks a user FOR NO KEY UPDATE."""
    return _LOCK.first(id=user_id)


def lock_candidates(login: UserLogin) -> Query[list[UserRow]]:
    """Return the query that locks every user who matches a login by id or e-mail address.

    The rows are locked in the order of their ids, so that two logins that match the same users never deadlock.
    """
    keys = login.model_dump(include={"email", "github_id", "google_id"}, exclude_none=True)
    return _candidates(frozenset(keys)).all(**keys)


@cache
def _candidates(keys: frozenset[str]) -> Statement[UserRow]:
    is_match = or_(*(getattr(User, key) == bindparam(key) for key in sorted(keys)))
    return Statement(_USERS.where(is_match).order_by(User.id).with_for_update(key_share=True), UserRow)


_LIST = Listing(
    UserRow,
    "is_active",
    in_team=User.id.in_(select(TeamMember.user_id).where(TeamMember.team_id == bindparam("in_team"))),
)
_MEMBERS = select(TeamMember.user_id).where(TeamMember.team_id == bindparam("team_id")).subquery("members")
_OF_TEAM = Merge((_MEMBERS,), User.id == _MEMBERS.c.user_id)


async def list_users(session: Session, wanted: UserFilter, page: Page, visible: ColumnElement[bool]) -> Found[UserRow]:
    """Return a page of the visible users."""
    if wanted.team_id and isinstance(visible, True_):
        return await _LIST.fetch(session, page, wanted.model_dump(), visible, _OF_TEAM)
    filters = {"is_active": wanted.is_active, "in_team": wanted.team_id}
    return await _LIST.fetch(session, page, filters, visible)
