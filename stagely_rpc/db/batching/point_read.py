"""Point reads: reads of one row by its key, which many callers share in one statement."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from sqlalchemy import ARRAY, and_, bindparam, column, func, literal_column, select, true

from stagely_rpc.db.sql.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Select, TableValuedAlias
    from sqlalchemy.orm import InstrumentedAttribute

    from stagely_rpc.db.batching.batches import Ask
    from stagely_rpc.db.sql.statement import Query

RowT_co = TypeVar("RowT_co", covariant=True)

_POSITION = "position"


class PointRead(Generic[RowT_co]):
    """A read of at most one row by its key, which many callers can share.

    Attributes:
        name: the name in the metrics, such as `team by id`.
        statement: the statement for any number of keys:
            `SELECT …, position FROM unnest($1, $2…) WITH ORDINALITY, LATERAL (SELECT …)`.
    """

    def __init__(
        self, name: str, row_class: type[RowT_co], rows: Select[*tuple[Any, ...]], *key: InstrumentedAttribute[Any]
    ) -> None:
        """Take the statement.

        Args:
            name: the name in the metrics, such as `team by id`.
            row_class: a NamedTuple with a field for each column, in the same order.
            rows: the SELECT of the columns, with all conditions except the key.
            key: the columns of the key, which must be unique.
        """
        self.name = name
        self._row_class = cast("Any", row_class)
        self._select = rows
        self._key = key

    @cached_property
    def statement(self) -> Statement[Any]:  # noqa: D102 - an attribute of the class
        wanted = self._wanted()
        is_wanted = and_(*(mine == theirs for mine, theirs in zip(self._key, list(wanted.c)[:-1], strict=True)))
        # The limit forces an index lookup per key. Otherwise PostgreSQL may join many keys with the whole table.
        row = self._select.where(is_wanted).limit(literal_column("1")).lateral("row")
        if (names := tuple(row.c.keys())) != self._row_class._fields:
            raise TypeError(f"{self._row_class.__name__} is not a row of {', '.join(names)}")
        return Statement(select(*row.c, wanted.c[_POSITION]).select_from(wanted).join(row, true()))

    def _wanted(self) -> TableValuedAlias:
        """Return the keys as a table with their ordinal numbers."""
        names = [f"key_{number}" for number in range(len(self._key))]
        arrays = [bindparam(name, type_=ARRAY(mine.type)) for name, mine in zip(names, self._key, strict=True)]
        columns = [column(name, mine.type) for name, mine in zip(names, self._key, strict=True)]
        return func.unnest(*arrays).table_valued(*columns, with_ordinality=_POSITION, name="wanted").render_derived()

    def query(self, keys: Sequence[tuple[Any, ...]]) -> Query[list[Any]]:
        """Return the query for the rows of keys. `rows_of` puts its result into the order of the keys."""
        columns = {f"key_{number}": list(values) for number, values in enumerate(zip(*keys, strict=True))}
        return self.statement.all(**columns)

    def rows_of(self, found: Sequence[Sequence[Any]], keys: int) -> list[RowT_co | None]:
        """Return the row for each key, or None."""
        rows: list[RowT_co | None] = [None] * keys
        for *values, position in found:
            rows[position - 1] = self._row_class._make(values)
        return rows

    async def perform(self, ask: Ask, items: Sequence[tuple[Any, ...]]) -> Sequence[RowT_co | None]:
        """Return the rows for the keys."""
        (found,) = await ask(self.query(items))
        return self.rows_of(found, len(items))
