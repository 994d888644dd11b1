"""Keyset pagination: pages by the last row seen, so that page 10,000 costs what page 1 costs.

Every list walks an index in its own order and stops when the page is full; nothing is sorted but what
several such walks found (`Merge`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from sqlalchemy import True_, Uuid, bindparam, literal_column, select, true, tuple_

from stagely_rpc.db.sql.rows import table_of
from stagely_rpc.db.sql.statement import Statement

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import BinaryExpression, BindParameter, ColumnElement, FromClause, Select

    from stagely_rpc.db.session import Session
    from stagely_rpc.db.sql.rows import Row

AnyRow = TypeVar("AnyRow", bound="Row")

EVERYTHING = true()
"""The condition of a list of which every row is visible."""


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
class Found(Generic[AnyRow]):
    """A page's rows; `last` is where the next page continues, None at the end of the list."""

    rows: Sequence[AnyRow]
    last: Cursor | None


@dataclass(frozen=True, slots=True)
class Merge:
    """How a list is put together of several: of each of them a page is read, by an index, and the newest are kept.

    Attributes:
        owners: their product has a row for each list.
        is_owned: the condition that a row of the model is in the list of an owner.
        are_visible: whether the owners are those alone whose rows are visible, so that rows need not be asked.
    """

    owners: tuple[FromClause, ...]
    is_owned: ColumnElement[bool] = field(compare=False)
    are_visible: bool = False


def allowed_by(visible: ColumnElement[bool]) -> Select[Any]:
    """Return the SELECT of a condition of the form `column IN (SELECT …)`."""
    return cast("Select[Any]", cast("BinaryExpression[bool]", visible).right.element)


def one_by_one(visible: ColumnElement[bool], known: BindParameter[Any] | None = None) -> ColumnElement[bool]:
    """Return a condition of the form `column IN (SELECT …)` as one that is asked of each row that a walk comes by.

    As a join, it would be taken for rare, and all rows be fetched and sorted; but most of those that come are visible.

    Args:
        visible: the condition.
        known: what the column of every row is, if a filter says so: then it is asked once.
    """
    if isinstance(visible, True_):
        return visible
    column = cast("BinaryExpression[bool]", visible).left if known is None else known
    allowed = allowed_by(visible).subquery("allowed")
    return select(true()).select_from(allowed).where(next(iter(allowed.c)) == column).scalar_subquery()


class Listing(Generic[AnyRow]):
    """How the rows of a table are listed.

    Where every row is visible, a statement is made once for all calls with the same filters, whatever they are for.
    """

    def __init__(
        self,
        row_class: type[AnyRow],
        *equal: str,
        created: str = "created_at",
        walks: Sequence[str] = (),
        shared: Collection[str] = (),
        **filters: ColumnElement[bool],
    ) -> None:
        """Say what can be listed.

        Args:
            row_class: of the rows; its fields are the columns that are listed.
            equal: the columns that filters of the same name compare with what is wanted.
            created: the column that says when a row was created.
            walks: the filters that have an index each. Of those that apply, the first one's is walked, and the others
                are asked of each row on the way: PostgreSQL takes them for independent, expects to find next to
                nothing, and would fetch and sort all of it.
            shared: those of them that are true of a good part of all rows. Only places are read by their index, which
                has all of that: else PostgreSQL may walk the one of time, and pass what is not wanted.
            filters: the conditions of other filters. What is wanted by one is a parameter of its name, if it has one.
        """
        self._table = table_of(row_class)
        self._row_class = row_class
        self._columns = [self._table.c[name] for name in cast("Any", row_class)._fields]
        self._filters = {name: self._table.c[name] == bindparam(name) for name in equal} | filters
        self._walks, self._shared = walks, shared
        self._created = created
        self._place = self._table.c[created], self._table.c["id"]
        self._statements: dict[tuple[frozenset[str], bool, Merge | None], Statement[AnyRow]] = {}

    async def fetch(
        self,
        session: Session,
        page: Page,
        wanted: Mapping[str, object],
        visible: ColumnElement[bool] = EVERYTHING,
        merge: Merge | None = None,
    ) -> Found[AnyRow]:
        """Fetch one page, and look whether more follow.

        Args:
            session: to ask.
            page: which one.
            wanted: what of each filter that applies; None for those that don't.
            visible: what must be true of a row besides.
            merge: of which lists this one is put together, if it is not one.
        """
        parameters = {name: value for name, value in wanted.items() if value is not None}
        names = frozenset(parameters)
        parameters["size"] = page.size + 1
        if page.after is not None:
            parameters |= {"after_created": page.after.created_at, "after_id": page.after.id}
        if isinstance(visible, True_):
            (rows,) = await session.ask(self._statement(names, page, merge).all(**parameters))
        else:
            make_row: Callable[[Sequence[Any]], AnyRow] = cast("Any", self._row_class)._make
            found = await session.execute(self._built(names, page, visible, merge), parameters)
            rows = [make_row(row) for row in found]
        return self._found(rows, page)

    def _found(self, rows: Sequence[AnyRow], page: Page) -> Found[AnyRow]:
        if len(rows) <= page.size:
            return Found(rows=rows, last=None)
        last: Any = rows[page.size - 1]
        return Found(rows=rows[: page.size], last=Cursor(created_at=getattr(last, self._created), id=last.id))

    def _statement(self, names: frozenset[str], page: Page, merge: Merge | None) -> Statement[AnyRow]:
        key = names, page.after is None, merge
        if key not in self._statements:
            self._statements[key] = Statement(self._built(names, page, EVERYTHING, merge), self._row_class)
        return self._statements[key]

    def _built(
        self, names: frozenset[str], page: Page, visible: ColumnElement[bool], merge: Merge | None
    ) -> Select[Any]:
        conditions = [] if merge and merge.are_visible else [visible]
        walked = None if merge else next((name for name in self._walks if name in names), None)
        for name in sorted(names & self._filters.keys()):
            is_asked = name in self._walks and name != walked
            conditions.append(self._asked(self._filters[name]) if is_asked else self._filters[name])
        if page.after is not None:
            after = bindparam("after_created", type_=self._place[0].type), bindparam("after_id", type_=Uuid())
            conditions.append(tuple_(*self._place) < tuple_(*after))
        if merge is not None:
            return self._rows_at(self._merged(conditions, merge))
        if walked in self._shared:
            return self._rows_at(self._newest(select(*self._place).where(*conditions), self._place))
        return self._newest(select(*self._columns).where(*conditions), self._place)

    def _merged(self, conditions: Sequence[ColumnElement[bool]], merge: Merge) -> Select[Any]:
        """Return the newest places among those of a page of each list."""
        each = self._newest(select(*self._place).where(merge.is_owned, *conditions), self._place)
        places = each.correlate(*merge.owners).lateral("places")
        return self._newest(select(*places.c).select_from(*merge.owners, places), tuple(places.c))

    def _rows_at(self, places: Select[Any]) -> Select[Any]:
        """Return the rows at places, in their order."""
        newest = places.subquery("newest")
        row = select(*self._columns).where(self._table.c.id == newest.c.id).correlate(newest)
        # The limit says how many there are: else PostgreSQL, which does not know the page's size, may read the table.
        listed = row.limit(literal_column("1")).lateral("listed")
        return select(*listed.c).select_from(newest, listed).order_by(*(column.desc() for column in newest.c))

    def _asked(self, condition: ColumnElement[bool]) -> ColumnElement[bool]:
        """Return a condition that no index is chosen by."""
        return select(condition).correlate(self._table).scalar_subquery()

    def _newest(self, statement: Select[Any], place: Sequence[ColumnElement[Any]]) -> Select[Any]:
        return statement.order_by(*(column.desc() for column in place)).limit(bindparam("size"))
