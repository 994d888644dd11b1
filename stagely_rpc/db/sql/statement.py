"""Statements that are compiled once, and queries: statements with their parameters, ready to be sent.

SQLAlchemy builds and compiles them, at their first use; what executes them is `pipeline`. Its own execution, made for
one statement at a time whose rows become objects, would take several times as long.
"""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import orjson
from psycopg.types.json import Jsonb
from sqlalchemy import Boolean, LargeBinary, Numeric, Select, literal_column
from sqlalchemy.dialects.postgresql import INET, JSONB
from sqlalchemy.dialects.postgresql.psycopg import PGDialectAsync_psycopg

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from psycopg.pq.abc import PGresult
    from sqlalchemy import ColumnElement, Dialect
    from sqlalchemy.orm import InstrumentedAttribute
    from sqlalchemy.sql.compiler import SQLCompiler
    from sqlalchemy.sql.elements import ClauseElement

    Rows = list[Any]

Result = TypeVar("Result")
Model = TypeVar("Model")


class _Boolean(Boolean):
    render_bind_cast = True


class _Numeric(Numeric[Decimal]):
    render_bind_cast = True


class _LargeBinary(LargeBinary):
    render_bind_cast = True


class _Inet(INET):
    render_bind_cast = True


class _Dialect(PGDialectAsync_psycopg):
    """PostgreSQL, with the type of every parameter written beside it: values are sent as text, which has none."""

    supports_statement_cache = True
    colspecs = PGDialectAsync_psycopg.colspecs | {
        Boolean: _Boolean,
        Numeric: _Numeric,
        LargeBinary: _LargeBinary,
        INET: _Inet,
    }


_DIALECT: Dialect = cast("Any", _Dialect)(paramstyle="numeric_dollar")


@dataclass(frozen=True, slots=True)
class Query(Generic[Result]):
    """A statement with its parameters.

    Attributes:
        statement: what is sent.
        values: its parameters, in its order.
        result_of: what its rows are for whoever asks.
    """

    statement: Statement
    values: tuple[Any, ...]
    result_of: Callable[[Rows], Result]


class Statement:
    """A statement, compiled once, whose parameters are given by name each time that it is sent."""

    def __init__(self, clause: ClauseElement) -> None:
        """Take the statement, which is compiled when it is first used.

        Args:
            clause: of SQLAlchemy Core, with `bindparam`s for what differs from one time to the next.
        """
        self._clause = clause
        self._make_row: Callable[[Sequence[Any]], Any] | None = None

    @cached_property
    def only_reads(self) -> bool:
        """Whether it may be sent again if nothing is known of its end."""
        return isinstance(self._clause, Select)

    def row_maker(self, result: PGresult) -> Callable[[Sequence[Any]], Any]:
        """Return what makes a row of values of the result, whose columns are always the same."""
        if self._make_row is None:
            names = [(result.fname(number) or b"").decode() for number in range(result.nfields)]
            self._make_row = row_class(tuple(names))
        return self._make_row

    @cached_property
    def text(self) -> bytes:
        """The statement as PostgreSQL takes it: its parameters are `$1`, `$2` and so on."""
        return self._compiled.string.encode()

    @cached_property
    def _compiled(self) -> SQLCompiler:
        return cast("SQLCompiler", self._clause.compile(dialect=_DIALECT))

    @cached_property
    def _parameters(self) -> tuple[tuple[str, Any, bool], ...]:
        """The name, the default and whether it is JSON of each parameter."""
        names = self._compiled.positiontup or ()
        binds, defaults = self._compiled.binds, self._compiled.params
        return tuple((name, defaults[name], isinstance(binds[name].type, JSONB)) for name in names)

    def _bound(self, given: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(
            [
                _as_json(given.get(name, default)) if is_json else given.get(name, default)
                for name, default, is_json in self._parameters
            ]
        )

    def rows(self, **parameters: object) -> Query[Rows]:
        """Return the query for all rows."""
        return Query(self, self._bound(parameters), _all)

    def row(self, model: type[Model], **parameters: object) -> Query[Model | None]:
        """Return the query for the one row, which has the attributes of a model, or None."""
        del model
        return Query(self, self._bound(parameters), cast("Callable[[Rows], Model | None]", _first))

    def value(self, **parameters: object) -> Query[Any]:
        """Return the query for the one value of the one row; None if there is no row."""
        return Query(self, self._bound(parameters), _value)


def is_one_of(column: InstrumentedAttribute[str], constants: Iterable[str]) -> ColumnElement[bool]:
    """Return the condition that a column has one of some values, written into the statement.

    A partial index with this condition serves then, which the planner can't know of a parameter.
    """
    return column.in_([literal_column(f"'{constant}'") for constant in constants])


def is_none_of(column: InstrumentedAttribute[str], constants: Iterable[str]) -> ColumnElement[bool]:
    """Return the condition that a column has none of some values, written into the statement."""
    return column.not_in([literal_column(f"'{constant}'") for constant in constants])


def _as_json(value: object) -> Jsonb | None:
    return None if value is None else Jsonb(value, json_of)


def json_of(value: object) -> bytes:
    """Return a value as the database stores it in a JSON column."""
    return orjson.dumps(value, default=str)


def _all(rows: Rows) -> Rows:
    return rows


def _first(rows: Rows) -> object:
    return rows[0] if rows else None


def _value(rows: Rows) -> object:
    return rows[0][0] if rows else None


@lru_cache(maxsize=512)
def row_class(names: tuple[str, ...]) -> Callable[[Sequence[Any]], Any]:
    """Return what makes a row of values: a named tuple, whose attributes are the columns."""
    made: Any = cast("Any", namedtuple)("Row", names)  # noqa: PYI024 - the names are known only now
    return cast("Callable[[Sequence[Any]], Any]", made._make)
