from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from sqlalchemy import text

from stagely_rpc.access import ResourceRef
from stagely_rpc.crypto.envelope import StorageLocation
from stagely_rpc.db.models import Team
from tests.support.databases import reading, writing
from tests.support.secret_markers import ENCRYPTION_KEY

if TYPE_CHECKING:
    from stagely_rpc.crypto.envelope import Keyring
    from stagely_rpc.db.database import Database
    from stagely_rpc.db.models.rows import DataKeyRow
    from stagely_rpc.db.session import Executor
    from stagely_rpc.db.write_session import WriteSession

KEY = ENCRYPTION_KEY


def make_location() -> StorageLocation:
    """Return a location that no other test uses."""
    return StorageLocation("secrets", "encrypted_value", uuid.uuid4())


async def make_team_id(db: Database) -> uuid.UUID:
    """Add a team without a server; return its id."""
    slug = f"team-{uuid.uuid4().hex[:12]}"
    async with db.system_transaction() as session:
        added = await session.scalars(
            text("INSERT INTO teams (slug, name) VALUES (:slug, 'Web') RETURNING id"), {"slug": slug}
        )
        team_id: uuid.UUID = added.one()
    return team_id


async def sealed(
    db: Database, keyring: Keyring, plaintext: bytes, team_id: uuid.UUID, location: StorageLocation
) -> str:
    """Seal a value in its own transaction."""
    async with writing(db) as session:
        return keyring.seal(await data_key_of(session, keyring, team_id), plaintext, location=location)


async def data_key_of(session: WriteSession, keyring: Keyring, team_id: uuid.UUID) -> DataKeyRow:
    """Return the team's active data key. Create it if there is none, as services do."""
    (data_key,) = await session.ask(keyring.active(ResourceRef(Team, team_id)))
    return data_key or await keyring.make_active(session, team_id)


async def opened(db: Database, keyring: Keyring, stored: str, location: StorageLocation) -> bytes:
    async with reading(db) as session:
        return await keyring.open(session, stored, location=location)


async def execute(session: Executor, statement: str, **parameters: object) -> None:
    await session.execute(text(statement), parameters)
