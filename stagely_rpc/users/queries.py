"""Every SQL statement about users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from stagely_rpc.db.models import TeamMember, User
from stagely_rpc.db.paging import Found, Page, fetch_page

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncSession

    from stagely_rpc.users.inputs import UserFilter, UserKey, UserLogin


async def get_user_by_id(session: AsyncSession, user_id: uuid.UUID) -> User | None:
    """Return a user, active or not."""
    return await session.get(User, user_id)


async def get_user(session: AsyncSession, key: UserKey) -> User | None:
    """Return a user, active or not, by the one key that is given."""
    return await session.scalar(select(User).filter_by(**key.model_dump(exclude_none=True)))


async def lock_user(session: AsyncSession, user_id: uuid.UUID) -> User | None:
    """Return a user and hold it until the transaction ends, without getting in the way of what only refers to it."""
    statement = select(User).where(User.id == user_id).with_for_update(key_share=True)
    return await session.scalar(statement.execution_options(populate_existing=True))


async def lock_candidates(session: AsyncSession, login: UserLogin) -> Sequence[User]:
    """Return every user that a login may mean, by id or e-mail, and hold them until the transaction ends.

    They are locked in the order of their ids: two logins that mean the same users wait for each other, and never both.
    """
    keys = login.model_dump(include={"email", "github_id", "google_id"}, exclude_none=True)
    statement = (
        select(User)
        .where(or_(*(getattr(User, name) == value for name, value in keys.items())))
        .order_by(User.id)
        .with_for_update(key_share=True)
    )
    return (await session.scalars(statement.execution_options(populate_existing=True))).all()


async def insert_user(session: AsyncSession, login: UserLogin) -> User | None:
    """Add a user who has just logged in; None if by now another has one of its ids or its e-mail."""
    statement = (
        insert(User).values(**login.model_dump(), last_login_at=func.now()).on_conflict_do_nothing().returning(User)
    )
    return await session.scalar(statement)


async def record_login(session: AsyncSession, user: User, values: dict[str, Any]) -> User:
    """Set columns of a user who has just logged in."""
    statement = update(User).where(User.id == user.id).values(**values, last_login_at=func.now()).returning(User)
    return (await session.scalars(statement.execution_options(populate_existing=True))).one()


async def list_users(
    session: AsyncSession, wanted: UserFilter, page: Page, visible: ColumnElement[bool]
) -> Found[User]:
    """Return a page of the visible users."""
    statement = select(User).where(visible)
    if wanted.is_active is not None:
        statement = statement.where(User.is_active.is_(wanted.is_active))
    if wanted.team_id:
        statement = statement.where(exists().where(TeamMember.user_id == User.id, TeamMember.team_id == wanted.team_id))
    return await fetch_page(session, statement, User, page)
