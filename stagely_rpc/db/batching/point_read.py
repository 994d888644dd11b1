"""Point reads: one row by its key, for many callers by one statement."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sqlalchemy import ARRAY, and_, bindparam, column, func, literal_column, select, true

from stagely_rpc.db.sql.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Select, TableValuedAlias
    from sqlalchemy.orm import InstrumentedAttribute

    from stagely_rpc.db.batching.batches import Asking

Row = TypeVar("Row")

_PLACE = "place"


class PointRead(Generic[Row]):
    """A read of one row by its key, or of none, that is work for a batch.

    Attributes:
        name: what is read by what, for the metrics.
        statement: for any number of keys: `SELECT …, place FROM unnest($1, $2…) WITH ORDINALITY, LATERAL (SELECT …)`.
    """

    def __init__(self, name: str, rows: Select[*tuple[Any, ...]], *key: InstrumentedAttribute[Any]) -> None:
        """Take the statement.

        Args:
            name: what is read by what, such as `team by id`.
            rows: the SELECT of the row's columns, and whatever else holds of it, but not its key.
            key: the columns of the key; at most one row has one.
        """
        self.name = name
        self._select = rows
        self._key = key

    @cached_property
    def statement(self) -> Statement:  # noqa: D102 - an attribute of the class
        wanted = self._wanted()
        is_wanted = and_(*(mine == theirs for mine, theirs in zip(self._key, list(wanted.c)[:-1], strict=True)))
        # The limit has each key looked up by its index. As a join, many keys would be compared with a whole table.
        row = self._select.where(is_wanted).limit(literal_column("1")).lateral("row")
        return Statement(select(*row.c, wanted.c[_PLACE]).select_from(wanted).join(row, true()))

    def _wanted(self) -> TableValuedAlias:
        """Return the keys as a table, each with its place among them."""
        names = [f"key_{number}" for number in range(len(self._key))]
        arrays = [bindparam(name, type_=ARRAY(mine.type)) for name, mine in zip(names, self._key, strict=True)]
        columns = [column(name, mine.type) for name, mine in zip(names, self._key, strict=True)]
        return func.unnest(*arrays).table_valued(*columns, with_ordinality=_PLACE, name="wanted").render_derived()

    async def perform(self, ask: Asking, items: Sequence[tuple[Any, ...]]) -> Sequence[Row | None]:
        """Read the rows of keys."""
        keys = {f"key_{number}": list(values) for number, values in enumerate(zip(*items, strict=True))}
        (rows,) = await ask(self.statement.rows(**keys))
        found: list[Row | None] = [None] * len(items)
        for row in rows:
            found[row.place - 1] = row
        return found
