"""Statements that are compiled once, and queries: statements with their parameters, ready to be sent.

SQLAlchemy builds and compiles them, at their first use; what executes them is `pipeline`. Its own execution, made for
one statement at a time whose rows become objects, would take several times as long.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

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

Result = TypeVar("Result")
RowT = TypeVar("RowT")


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
    """A statement with its parameters, ready to be sent.

    Attributes:
        statement: what is sent.
        values: its parameters, in its order.
        result_of: what makes the result of the rows.
    """

    statement: Statement[Any]
    values: tuple[Any, ...]
    result_of: Callable[[list[Any]], Result]


class Statement(Generic[RowT]):
    """A statement, compiled once. Its parameters are given by name each time that it is sent."""

    @overload
    def __init__(self: Statement[Any], clause: ClauseElement) -> None: ...
    @overload
    def __init__(self, clause: ClauseElement, row_class: type[RowT]) -> None: ...
    def __init__(self, clause: ClauseElement, row_class: type[Any] = tuple) -> None:
        """Take the statement, which is compiled at its first use.

        Args:
            clause: of SQLAlchemy Core, with a `bindparam` for each value that differs from one time to the next.
            row_class: of its rows: a NamedTuple with a field for each column, in the same order.
        """
        self._clause = clause
        self._row_class = row_class
        self._is_checked = False

    @cached_property
    def only_reads(self) -> bool:
        """Whether it may be sent again if it is not known how it ended."""
        return isinstance(self._clause, Select)

    def row_maker(self, result: PGresult) -> Callable[[Sequence[Any]], Any]:
        """Return what makes a row of the values of a result.

        Raises:
            TypeError: the row class has other fields than the result has columns.
        """
        if self._row_class is tuple:
            return tuple
        if not self._is_checked:
            names = tuple((result.fname(number) or b"").decode() for number in range(result.nfields))
            if names != self._row_class._fields:
                raise TypeError(f"{self._row_class.__name__} is not a row of {', '.join(names)}")
            self._is_checked = True
        return cast("Callable[[Sequence[Any]], Any]", self._row_class._make)

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

    def all(self, **parameters: object) -> Query[list[RowT]]:
        """Return the query for all rows."""
        return Query(self, self._bound(parameters), _all)

    def first(self, **parameters: object) -> Query[RowT | None]:
        """Return the query for the first row, or None."""
        return Query(self, self._bound(parameters), _first)

    def value(self, **parameters: object) -> Query[Any]:
        """Return the query for the first value of the first row; None if there is no row."""
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


def _all(rows: list[Any]) -> list[Any]:
    return rows


def _first(rows: list[Any]) -> Any:  # noqa: ANN401 - a row of any class
    return rows[0] if rows else None


def _value(rows: list[Any]) -> Any:  # noqa: ANN401
    return rows[0][0] if rows else None
