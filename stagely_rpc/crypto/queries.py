"""Every SQL statement about data keys."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert

from stagely_rpc.access.ownership import team_id_of
from stagely_rpc.db.batching.point_read import PointRead
from stagely_rpc.db.models import Base, DataKey
from stagely_rpc.db.models.rows import DataKeyRow
from stagely_rpc.db.sql.statement import Statement

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from stagely_rpc.access import ResourceRef
    from stagely_rpc.db.session import Executor
    from stagely_rpc.db.sql.statement import Query

DATA_KEY = PointRead("data key", DataKeyRow, select(DataKey.__table__), DataKey.id)
"""A data key by its id, retired or not."""

KEY_ENCRYPTION_KEY_IDS = "SELECT min(key_encryption_key_id), max(key_encryption_key_id) FROM data_keys"
"""The lowest and highest id, read from the index. If both are this process's id, no other key wraps a data key."""

_GIVEN: dict[str, Any] = {name: bindparam(name) for name in ("id", "team_id", "key_encryption_key_id", "wrapped_key")}
_ADD = Statement(
    insert(DataKey)
    .values(_GIVEN)
    .on_conflict_do_nothing(index_elements=[DataKey.team_id], index_where=DataKey.retired_at.is_(None))
)


def get_active_data_key(ref: ResourceRef) -> Query[DataKeyRow | None]:
    """Return the query for the active data key of the team that owns a resource."""
    return _active(ref.model).first(ref=ref.id)


@cache
def _active(model: type[Base]) -> Statement[DataKeyRow]:
    is_owned = DataKey.team_id == team_id_of(model)
    return Statement(select(DataKey.__table__).where(is_owned, DataKey.retired_at.is_(None)), DataKeyRow)


def add_data_key(*, id: uuid.UUID, team_id: uuid.UUID, key_encryption_key_id: str, wrapped_key: str) -> Query[None]:  # noqa: A002 - the column's name
    """Return the query that adds a team's active data key, unless the team has one.

    Of several parallel writers, the first inserts and the others wait for its commit.
    """
    return _ADD.value(id=id, team_id=team_id, key_encryption_key_id=key_encryption_key_id, wrapped_key=wrapped_key)


async def list_other_key_encryption_key_ids(session: Executor, known: str) -> Sequence[str]:
    """Return the ids of up to ten key-encryption keys, other than a known one, that wrap data keys."""
    statement = select(DataKey.key_encryption_key_id).where(DataKey.key_encryption_key_id != known)
    found = await session.execute(statement.distinct().order_by(DataKey.key_encryption_key_id).limit(10))
    return found.scalars().all()
