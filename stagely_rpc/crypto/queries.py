"""Every SQL statement about data keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from stagely_rpc.db.models import DataKey

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncSession


async def get_data_key(session: AsyncSession, data_key_id: uuid.UUID) -> DataKey | None:
    """Return a data key, retired or not."""
    return await session.scalar(select(DataKey).where(DataKey.id == data_key_id))


async def get_active_data_key(session: AsyncSession, team_id: uuid.UUID) -> DataKey | None:
    """Return the data key that encrypts what is new of a team."""
    return await session.scalar(select(DataKey).where(DataKey.team_id == team_id, DataKey.retired_at.is_(None)))


async def add_data_key(session: AsyncSession, **columns: object) -> None:
    """Add a team's active data key, unless it has one: of parallel writers, the others wait for the first to commit."""
    statement = insert(DataKey).values(**columns)
    await session.execute(
        statement.on_conflict_do_nothing(index_elements=[DataKey.team_id], index_where=DataKey.retired_at.is_(None))
    )


async def list_other_key_encryption_key_ids(session: AsyncSession, known: str) -> Sequence[str]:
    """Return the ids of the key-encryption keys, beside a known one, that data keys are encrypted by; at most ten."""
    statement = select(DataKey.key_encryption_key_id).where(DataKey.key_encryption_key_id != known)
    return (await session.scalars(statement.distinct().order_by(DataKey.key_encryption_key_id).limit(10))).all()
