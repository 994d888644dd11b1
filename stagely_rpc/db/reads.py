"""Point reads: one row by its key, in one round trip, at the least that SQLAlchemy takes for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.util import greenlet_spawn

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Row, Select
    from sqlalchemy.ext.asyncio import AsyncSession


async def fetch_one(
    session: AsyncSession, statement: Select[*tuple[Any, ...]], **parameters: object
) -> Row[Any] | None:
    """Return the one row that a statement selects, or None, as the session's transaction sees it.

    Outside of a transaction, as in `Database.read`, a connection is taken, asked and given back in one go, without the
    session: its bookkeeping would cost as much as the read itself.
    """
    row: Row[Any] | None
    if session.in_transaction():
        row = (await session.execute(statement, parameters)).one_or_none()
    else:
        row = await greenlet_spawn(_fetch_one, session.get_bind(), statement, parameters)
    return row


def _fetch_one(
    bind: Engine | Connection, statement: Select[*tuple[Any, ...]], parameters: dict[str, object]
) -> Row[Any] | None:
    with bind.engine.connect() as connection:
        return connection.execute(statement, parameters).one_or_none()
