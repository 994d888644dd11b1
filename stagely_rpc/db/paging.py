"""Keyset pagination. A page starts after the last row of the previous page, so every page costs the same.

Every list scans an index in list order and stops when the page is full. Only the results of several scans are sorted
(`Merge`).
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
"""The condition of a list whose rows are all visible."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The position of a row in a list. Lists are ordered by creation time and id, newest first."""

    created_at: datetime
    id: uuid.UUID


@dataclass(frozen=True, slots=True)
class Page:
    """A page to fetch: at most `size` rows after a position."""

    size: int
    after: Cursor | None = None


@dataclass(frozen=True, slots=True)
class Found(Generic[AnyRow]):
    """The rows of a page. The next page continues after `last`, which is None at the end of the list."""

    rows: Sequence[AnyRow]
    last: Cursor | None


@dataclass(frozen=True, slots=True)
class Merge:
    """Merges several lists. Reads a page of each list by an index, and keeps the newest rows.

    Attributes:
        owners: the sources whose cross product has one row per list.
        is_owned: the condition that a row of the model is in the list of an owner.
        are_visible: whether all rows of the owners are visible, so that rows need no check.
    """

    owners: tuple[FromClause, ...]
    is_owned: ColumnElement[bool] = field(compare=False)
    are_visible: bool = False


def allowed_values(visible: ColumnElement[bool]) -> Select[Any]:
    """Return the SELECT of a condition of the form `column IN (SELECT …)`."""
    return cast("Select[Any]", cast("BinaryExpression[bool]", visible).right.element)


def checked_per_row(visible: ColumnElement[bool], known: BindParameter[Any] | None = None) -> ColumnElement[bool]:
    """Rewrite a condition `column IN (SELECT …)`, so that an index scan evaluates it for each row.

    The planner would turn it into a join, estimate few matches, and fetch and sort all rows. But most rows match.

    Args:
        visible: the condition.
        known: the value of the column in all rows, if a filter fixes it. Then the condition is evaluated once.
    """
    if isinstance(visible, True_):
        return visible
    column = cast("BinaryExpression[bool]", visible).left if known is None else known
    allowed = allowed_values(visible).subquery("allowed")
    return select(true()).select_from(allowed).where(next(iter(allowed.c)) == column).scalar_subquery()


class Listing(Generic[AnyRow]):
    """Lists the rows of a table.

    If every row is visible, calls with the same filters share one compiled statement.
    """

    def __init__(
        self,
        row_class: type[AnyRow],
        *equal: str,
        created: str = "created_at",
        indexed: Sequence[str] = (),
        frequent: Collection[str] = (),
        **filters: ColumnElement[bool],
    ) -> None:
        """Define the list.

        Args:
            row_class: the class of the rows. Its fields are the selected columns.
            equal: the columns that filters of the same name compare for equality.
            created: the column with the creation time.
            indexed: the filters with an index. The first one that applies selects the index to scan; the others are
                evaluated for each row. Otherwise PostgreSQL would treat them as independent, expect few rows, and fetch
                and sort all of them.
            frequent: the filters among `indexed` that match a large part of all rows. For these, an index-only scan
                finds the positions, and then the rows are read. Otherwise PostgreSQL may scan the index by time and
                discard most rows.
            filters: the conditions of other filters. The value of a filter is the parameter with its name, if any.
        """
        self._table = table_of(row_class)
        self._row_class = row_class
        self._columns = [self._table.c[name] for name in cast("Any", row_class)._fields]
        self._filters = {name: self._table.c[name] == bindparam(name) for name in equal} | filters
        self._indexed, self._frequent = indexed, frequent
        self._created = created
        self._position = self._table.c[created], self._table.c["id"]
        self._statements: dict[tuple[frozenset[str], bool, Merge | None], Statement[AnyRow]] = {}

    async def fetch(
        self,
        session: Session,
        page: Page,
        wanted: Mapping[str, object],
        visible: ColumnElement[bool] = EVERYTHING,
        merge: Merge | None = None,
    ) -> Found[AnyRow]:
        """Fetch a page, and whether more rows follow.

        Args:
            session: the session.
            page: the page.
            wanted: the value of each filter; None if the filter does not apply.
            visible: the condition that a row is visible.
            merge: the lists to merge, if there are several.
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
            found = await session.execute(self._build(names, page, visible, merge), parameters)
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
            self._statements[key] = Statement(self._build(names, page, EVERYTHING, merge), self._row_class)
        return self._statements[key]

    def _build(
        self, names: frozenset[str], page: Page, visible: ColumnElement[bool], merge: Merge | None
    ) -> Select[Any]:
        conditions = [] if merge and merge.are_visible else [visible]
        scanned = None if merge else next((name for name in self._indexed if name in names), None)
        for name in sorted(names & self._filters.keys()):
            is_checked = name in self._indexed and name != scanned
            conditions.append(self._unindexed(self._filters[name]) if is_checked else self._filters[name])
        if page.after is not None:
            after = bindparam("after_created", type_=self._position[0].type), bindparam("after_id", type_=Uuid())
            conditions.append(tuple_(*self._position) < tuple_(*after))
        if merge is not None:
            return self._rows_at(self._merged(conditions, merge))
        if scanned in self._frequent:
            return self._rows_at(self._newest(select(*self._position).where(*conditions), self._position))
        return self._newest(select(*self._columns).where(*conditions), self._position)

    def _merged(self, conditions: Sequence[ColumnElement[bool]], merge: Merge) -> Select[Any]:
        """Return the newest positions of a page of each list."""
        each = self._newest(select(*self._position).where(merge.is_owned, *conditions), self._position)
        positions = each.correlate(*merge.owners).lateral("positions")
        return self._newest(select(*positions.c).select_from(*merge.owners, positions), tuple(positions.c))

    def _rows_at(self, positions: Select[Any]) -> Select[Any]:
        """Return the rows at the given positions, in list order."""
        newest = positions.subquery("newest")
        row = select(*self._columns).where(self._table.c.id == newest.c.id).correlate(newest)
        # The limit tells PostgreSQL the number of rows. Without it, it may scan the whole table.
        listed = row.limit(literal_column("1")).lateral("listed")
        return select(*listed.c).select_from(newest, listed).order_by(*(column.desc() for column in newest.c))

    def _unindexed(self, condition: ColumnElement[bool]) -> ColumnElement[bool]:
        """Return a condition that the planner does not use to choose an index."""
        return select(condition).correlate(self._table).scalar_subquery()

    def _newest(self, statement: Select[Any], position: Sequence[ColumnElement[Any]]) -> Select[Any]:
        return statement.order_by(*(column.desc() for column in position)).limit(bindparam("size"))
