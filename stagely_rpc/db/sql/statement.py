"""Statements that are compiled once, and queries: statements with parameters.

SQLAlchemy builds and compiles a statement at its first use; `pipeline` executes it. SQLAlchemy's own execution handles
one statement at a time and takes several times as long.
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
    """PostgreSQL's dialect with a cast for every parameter, because values are sent as untyped text."""

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
        statement: the statement.
        values: the parameters, in the statement's order.
        result_of: converts the rows into the result.
    """

    statement: Statement[Any]
    values: tuple[Any, ...]
    result_of: Callable[[list[Any]], Result]


class Statement(Generic[RowT]):
    """A statement that is compiled once. Each query gives its parameters by name."""

    @overload
    def __init__(self: Statement[Any], clause: ClauseElement) -> None: ...
    @overload
    def __init__(self, clause: ClauseElement, row_class: type[RowT]) -> None: ...
    def __init__(self, clause: ClauseElement, row_class: type[Any] = tuple) -> None:
        """Take the statement. It is compiled at its first use.

        Args:
            clause: a clause of SQLAlchemy Core, with a `bindparam` for each variable value.
            row_class: the class of its rows: a NamedTuple with a field for each column, in the same order.
        """
        self._clause = clause
        self._row_class = row_class
        self._is_checked = False

    @cached_property
    def only_reads(self) -> bool:
        """Whether the statement only reads, so that it can be retried if its outcome is unknown."""
        return isinstance(self._clause, Select)

    def row_maker(self, result: PGresult) -> Callable[[Sequence[Any]], Any]:
        """Return the function that converts the values of a result into a row.

        Raises:
            TypeError: the fields of the row class differ from the columns of the result.
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
        """The SQL text, with the parameters `$1`, `$2` and so on."""
        return self._compiled.string.encode()

    @cached_property
    def _compiled(self) -> SQLCompiler:
        return cast("SQLCompiler", self._clause.compile(dialect=_DIALECT))

    @cached_property
    def _parameters(self) -> tuple[tuple[str, Any, bool], ...]:
        """The name of each parameter, its default, and whether it is JSON."""
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
    """Return the condition that a column has one of some constants, which are literals in the SQL text.

    The planner can use a partial index with this condition. With parameters, it could not.
    """
    return column.in_([literal_column(f"'{constant}'") for constant in constants])


def is_none_of(column: InstrumentedAttribute[str], constants: Iterable[str]) -> ColumnElement[bool]:
    """Return the condition that a column has none of some constants, which are literals in the SQL text."""
    return column.not_in([literal_column(f"'{constant}'") for constant in constants])


def _as_json(value: object) -> Jsonb | None:
    return None if value is None else Jsonb(value, json_of)


def json_of(value: object) -> bytes:
    """Return a value as JSON bytes for a JSON column."""
    return orjson.dumps(value, default=str)


def _all(rows: list[Any]) -> list[Any]:
    return rows


def _first(rows: list[Any]) -> Any:  # noqa: ANN401 - a row of any class
    return rows[0] if rows else None


def _value(rows: list[Any]) -> Any:  # noqa: ANN401
    return rows[0][0] if rows else None
