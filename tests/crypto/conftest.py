from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stagely_rpc.crypto.envelope import Keyring
from tests.support.crypto.keyrings import KEY, make_team_id
from tests.support.databases import database_at

if TYPE_CHECKING:
    import uuid
    from collections.abc import AsyncIterator

    from stagely_rpc.db.database import Database


@pytest.fixture(scope="session")
async def db(database_url: str) -> AsyncIterator[Database]:
    database = database_at(database_url, size=20, wait_seconds=30)
    yield database
    await database.close()


@pytest.fixture
def keyring() -> Keyring:
    return Keyring(KEY)


@pytest.fixture
async def team_id(db: Database) -> uuid.UUID:
    return await make_team_id(db)


@pytest.fixture
async def own_db(fresh_database_url: str) -> AsyncIterator[Database]:
    database = database_at(fresh_database_url, size=2)
    yield database
    await database.close()
