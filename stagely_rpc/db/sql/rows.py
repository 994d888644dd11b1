"""Rows as they will be: what the database makes of an INSERT or UPDATE, known before it is sent.

A write is sent together with its audit row, its answer and COMMIT, and both of these say what became of the row: it is
computed here instead of asked for. The time is the transaction's, which the database gave; the defaults are those of
the models; and what the triggers do, raise `row_version` and set `updated_at`, is done here too. Tests compare all of
it with what the database has (tests/db/sql/test_rows.py).
"""

from __future__ import annotations

import uuid
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sqlalchemy import Column, DateTime, Uuid, bindparam, delete, insert, inspect, update
from sqlalchemy.dialects.postgresql import JSONB

from stagely_rpc.db.sql.statement import Statement, row_class

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Table

    from stagely_rpc.db.models import Base

AnyRow = TypeVar("AnyRow", bound="Base")

_KEY = "key_id"


def new_row(model: type[AnyRow], values: Mapping[str, Any], now: datetime) -> AnyRow:
    """Return the row that an INSERT of some columns makes: the others get their defaults."""
    defaults = _defaults(model)
    if unknown := values.keys() - defaults.keys():
        raise KeyError(f"{model.__name__} has no {', '.join(sorted(unknown))}")
    every = [
        values[name] if name in values else now if default is _NOW else uuid.uuid4() if default is _NEW_ID else default
        for name, default in defaults.items()
    ]
    return cast("AnyRow", row_class(tuple(defaults))(every))


def changed_row(row: AnyRow, values: Mapping[str, Any], now: datetime) -> AnyRow:
    """Return what an UPDATE of some columns makes of a row."""
    names = cast("Any", row)._fields
    kept = {"updated_at": now} if "updated_at" in names else {}
    if "row_version" in names:
        kept["row_version"] = cast("Any", row).row_version + 1
    return cast("AnyRow", cast("Any", row)._replace(**values, **kept))


@cache
def insertion(model: type[Base]) -> Statement:
    """Return the INSERT of a row with all its columns."""
    table = _table(model)
    return Statement(insert(table).values({column.key: bindparam(column.key) for column in table.columns}))


@cache
def change(model: type[Base], names: frozenset[str]) -> Statement:
    """Return the UPDATE of some columns of the row with an id."""
    table = _table(model)
    values: dict[str, Any] = {name: bindparam(name) for name in sorted(names)}
    return Statement(update(table).where(table.c.id == bindparam(_KEY)).values(values))


@cache
def deletion(model: type[Base]) -> Statement:
    """Return the DELETE of the row with an id."""
    table = _table(model)
    return Statement(delete(table).where(table.c.id == bindparam(_KEY)))


def key_of(row: Base) -> dict[str, object]:
    """Return the parameter by which `change` and `deletion` find a row."""
    return {_KEY: row.id}  # type: ignore[attr-defined]


def _table(model: type[Base]) -> Table:
    return cast("Table", inspect(model).local_table)


_NOW, _NEW_ID = object(), object()


@cache
def _defaults(model: type[Base]) -> dict[str, object]:
    """Return what each column gets that an INSERT leaves out, in the order of the columns."""
    return {column.key: _default(column) for column in _table(model).columns}


def _default(column: Column[Any]) -> object:
    if column.server_default is None:
        return None
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
