"""Row instances without a database."""

from __future__ import annotations

from typing import Any, TypeVar

RowT = TypeVar("RowT")


def row_of(row_class: type[RowT], **values: Any) -> RowT:
    """Return a row with some values. The other columns are None."""
    made: Any = row_class
    if unknown := values.keys() - set(made._fields):
        raise TypeError(f"{row_class.__name__} has no {', '.join(sorted(unknown))}")
    row: RowT = made._make(values.get(name) for name in made._fields)
    return row
