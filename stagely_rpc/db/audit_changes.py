"""What the audit trail says of a write: the old and the new value of each column that differs, and no secret."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import inspect

if TYPE_CHECKING:
    from stagely_rpc.db.models import Base

_BOOKKEEPING = frozenset({"id", "created_at", "updated_at", "row_version"})
_MAX_RECORDED_BYTES = 1024


def changes_between(model: type[Base], before: Base | None, after: Base | None) -> dict[str, Any]:
    """Return what a write changed, but for what the database keeps of every row; of a sensitive column, that it did.

    Args:
        model: of the row.
        before: the row as it was; None if it is new.
        after: the row as it is; None if it is deleted.
    """
    changes: dict[str, Any] = {}
    for name, is_sensitive in _recorded_columns(model):
        old, new = getattr(before, name, None), getattr(after, name, None)
        if old == new:
            continue
        if is_sensitive:
            changes[name] = {"changed": True}
        else:
            changes[name] = {side: _shown(value) for side, value in (("old", old), ("new", new)) if value is not None}
    return changes


@cache
def _recorded_columns(model: type[Base]) -> list[tuple[str, bool]]:
    """Return the names of the columns, in their order, and whether their values are never shown."""
    columns = {attribute.key: attribute.columns[0] for attribute in inspect(model).column_attrs}
    return [(name, bool(columns[name].info.get("sensitive"))) for name in sorted(columns.keys() - _BOOKKEEPING)]


def _shown(value: object) -> object:
    """Return a value as the trail keeps it: a large one, which can only be JSON, as its size and digest."""
    if isinstance(value, bool | int) or (isinstance(value, str) and len(value) * 4 < _MAX_RECORDED_BYTES):
        return value
    text = orjson.dumps(value, default=str, option=orjson.OPT_SORT_KEYS)
    if len(text) <= _MAX_RECORDED_BYTES:
        return value
    return {"bytes": len(text), "sha256": hashlib.sha256(text).hexdigest()}
