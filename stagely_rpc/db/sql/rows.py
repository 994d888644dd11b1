"""Computes rows as an INSERT or UPDATE will leave them, before it is sent.

A write is sent together with its audit entry, its stored response and COMMIT. Entry and response need the final row, so
it is computed here: the time is the transaction's time, the defaults are those of the models, and `row_version` and
`updated_at` are computed as the triggers do. Tests compare all of it with what
the database has (tests/db/sql/test_rows.py).
"""

from __future__ import annotations

import uuid
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from sqlalchemy import Column, DateTime, Identity, Uuid, bindparam, delete, insert, inspect, update
from sqlalchemy.dialects.postgresql import JSONB

from stagely_rpc.db.models.rows import MODEL_OF
from stagely_rpc.db.sql.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Table

_KEY = "key_id"


class Row(Protocol):
    """A row with an id: a NamedTuple of `db.models.rows`."""

    @property
    def id(self) -> uuid.UUID: ...  # noqa: D102
    def _asdict(self) -> dict[str, Any]: ...


AnyRow = TypeVar("AnyRow", bound=Row)


def new_row(row_class: type[AnyRow], values: Mapping[str, Any], now: datetime) -> AnyRow:
    """Return the row that an INSERT of some columns creates. Other columns get their defaults.

    Raises:
        KeyError: there is no such column.
    """
    defaults = _defaults(row_class)
    _check_columns(row_class, values)
    made: AnyRow = _maker(row_class)(
        [
            values[name]
            if name in values
            else now
            if default is _NOW
            else uuid.uuid4()
            if default is _NEW_ID
            else default
            for name, default in defaults.items()
        ]
    )
    return made


def changed_row(row: AnyRow, values: Mapping[str, Any], now: datetime) -> AnyRow:
    """Return the row after an UPDATE of some columns."""
    changed = row._asdict() | dict(values)
    if "updated_at" in changed:
        changed["updated_at"] = now
    if "row_version" in changed:
        changed["row_version"] += 1
    made: AnyRow = _maker(type(row))(changed.values())
    return made


def _maker(row_class: Any) -> Any:  # noqa: ANN401 - no protocol can say what NamedTuple's constructor takes
    return row_class._make


def insertion(row: Row) -> tuple[Statement[Any], dict[str, Any]]:
    """Return the INSERT of a row with all its columns, and its parameters."""
    return _insertion(type(row)), row._asdict()


@cache
def _insertion(row_class: type[Row]) -> Statement[Any]:
    table = table_of(row_class)
    return Statement(insert(table).values({column.key: bindparam(column.key) for column in table.columns}))


@cache
def returning_insertion(row_class: type[AnyRow], names: frozenset[str]) -> Statement[AnyRow]:
    """Return the INSERT of some columns that returns the created row with its identity columns.

    Raises:
        KeyError: there is no such column.
    """
    table = table_of(row_class)
    _check_columns(row_class, names)
    values: dict[str, Any] = {name: bindparam(name) for name in sorted(names)}
    return Statement(insert(table).values(values).returning(*table.columns), row_class)


@cache
def change(row_class: type[Row], names: frozenset[str]) -> Statement[Any]:
    """Return the UPDATE of some columns of the row with an id."""
    table = table_of(row_class)
    values: dict[str, Any] = {name: bindparam(name) for name in sorted(names)}
    return Statement(update(table).where(table.c.id == bindparam(_KEY)).values(values))


@cache
def deletion(row_class: type[Row]) -> Statement[Any]:
    """Return the DELETE of the row with an id."""
    table = table_of(row_class)
    return Statement(delete(table).where(table.c.id == bindparam(_KEY)))


def key_of(row: Row) -> dict[str, object]:
    """Return the parameter that identifies the row in `change` and `deletion`."""
    return {_KEY: row.id}


def table_of(row_class: type[Any]) -> Table:
    """Return the table of a row class.

    Raises:
        KeyError: the class is not a row class of `db.models.rows`.
    """
    return cast("Table", inspect(MODEL_OF[row_class]).local_table)


_NOW, _NEW_ID = object(), object()


def _check_columns(row_class: type[Row], names: Iterable[str]) -> None:
    if unknown := set(names) - set(table_of(row_class).columns.keys()):
        raise KeyError(f"{row_class.__name__} has no {', '.join(sorted(unknown))}")


@cache
def _defaults(row_class: type[Row]) -> dict[str, object]:
    """Return the default of each column, in order."""
    return {column.key: _default(column) for column in table_of(row_class).columns}


def _default(column: Column[Any]) -> object:
    if column.server_default is None:
        return None
    if isinstance(column.server_default, Identity):
        raise TypeError(f"the database generates {column}: use insert_returning")
    if isinstance(column.type, DateTime):
        return _NOW
    if isinstance(column.type, Uuid):
        return _NEW_ID
    written = str(cast("Any", column.server_default).arg)
    if isinstance(column.type, JSONB):
        return {}
    if column.type.python_type is bool:
        return written == "true"
    return column.type.python_type(written)
