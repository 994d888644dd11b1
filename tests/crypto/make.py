from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from sqlalchemy import text

from stagely_rpc.crypto.envelope import Place
from tests.canaries import ENCRYPTION_KEY
from tests.databases import reading

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from stagely_rpc.crypto.envelope import Keyring
    from stagely_rpc.db.engine import Database

KEY = ENCRYPTION_KEY


def make_place() -> Place:
    """A place of its own."""
    return Place("secrets", "encrypted_value", uuid.uuid4())


async def make_team_id(db: Database) -> uuid.UUID:
    """Add a team, without the service."""
    slug = f"team-{uuid.uuid4().hex[:12]}"
    async with db.maintain() as session:
        added = await session.scalars(
            text("INSERT INTO teams (slug, name) VALUES (:slug, 'Web') RETURNING id"), {"slug": slug}
        )
        team_id: uuid.UUID = added.one()
    return team_id


async def sealed(db: Database, keyring: Keyring, plaintext: bytes, team_id: uuid.UUID, place: Place) -> str:
    """Seal in a transaction of its own."""
    async with db.maintain() as session:
        return await keyring.seal(session, plaintext, team_id=team_id, place=place)


async def opened(db: Database, keyring: Keyring, stored: str, place: Place) -> bytes:
    async with reading(db) as session:
        return await keyring.open(session, stored, place=place)


async def execute(session: AsyncSession, statement: str, **parameters: object) -> None:
    await session.execute(text(statement), parameters)
