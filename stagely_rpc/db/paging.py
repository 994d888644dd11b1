"""Keyset pagination: pages by the last row seen, so that page 10,000 costs what page 1 costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sqlalchemy import inspect, tuple_

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Select
    from sqlalchemy.ext.asyncio import AsyncSession

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Cursor:
    """The place of a row in a list. The order of every list is creation, newest first, and the id among equals."""

    created_at: datetime
    id: uuid.UUID


@dataclass(frozen=True, slots=True)
class Page:
    """What to fetch: at most `size` rows, those that come after a place."""

    size: int
    after: Cursor | None = None


@dataclass(frozen=True, slots=True)
class Found(Generic[Row]):
    """A page's rows; `last` is where the next page continues, None at the end of the list."""

    rows: Sequence[Row]
    last: Cursor | None


async def fetch_page(
    session: AsyncSession, select: Select[Row], model: type[Row], page: Page, *, created: str = "created_at"
) -> Found[Row]:
    """Fetch one page of a statement that selects rows of a model, and look whether more follow.

    Args:
        session: to ask.
        select: the statement, without an order.
        model: of the rows.
        page: which one.
        created: the column that says when a row was created.
    """
    columns = inspect(model, raiseerr=True).columns
    place = columns[created], columns.id
    if page.after is not None:
        select = select.where(tuple_(*place) < tuple_(page.after.created_at, page.after.id))
    select = select.order_by(*(column.desc() for column in place)).limit(page.size + 1)
    rows = (await session.scalars(select)).all()
    if len(rows) <= page.size:
        return Found(rows=rows, last=None)
    rows = rows[: page.size]
    last: Any = rows[-1]
    return Found(rows=rows, last=Cursor(created_at=getattr(last, created), id=last.id))
