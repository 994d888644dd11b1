"""Maps rows to the teams that own them. Each slice registers how its rows lead to a team."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Uuid, bindparam, select

if TYPE_CHECKING:
    import uuid

    from sqlalchemy import ScalarSelect, Select
    from sqlalchemy.orm import InstrumentedAttribute

    from stagely_rpc.db.models import Base

    Reference = InstrumentedAttribute[uuid.UUID]


@dataclass(frozen=True, slots=True)
class ResourceRef:
    """A reference to the resource of a call.

    Attributes:
        model: the model of the resource.
        id: the id of the resource.
    """

    model: type[Base]
    id: uuid.UUID


_PATHS: dict[type[Base], tuple[Reference, type[Base] | None]] = {}
_REF = bindparam("ref", type_=Uuid())


def register_owner(model: type[Base], reference: Reference, *, through: type[Base] | None = None) -> None:
    """Register how the rows of a model lead to the team that owns them.

    Args:
        model: the model of the rows.
        reference: the column with the id of the team or, with `through`, of a row that leads to the team.
        through: the registered model of that row.
    """
    _PATHS[model] = (reference, through)
    team_id_of.cache_clear()


@cache
def team_id_of(model: type[Base]) -> ScalarSelect[Any]:
    """Return the expression for the id of the team that owns a row. The parameter `ref` is the id of the row.

    Raises:
        LookupError: no slice has registered the model.
    """
    team_ids = _team_ids(model)
    return team_ids.where(_id_of(model) == _REF).scalar_subquery()


def _team_ids(model: type[Base]) -> Select[Any]:
    if model not in _PATHS:
        raise LookupError(f"no slice has registered which team owns a {model.__name__}")
    reference, through = _PATHS[model]
    return select(reference) if through is None else _team_ids(through).join(model, reference == _id_of(through))


def _id_of(model: Any) -> Reference:  # noqa: ANN401 - every registered model has an id, which Base does not declare
    reference: Reference = model.id
    return reference
