"""A `Database` for tests without a server."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from stagely_rpc.call import Call, current_call
from stagely_rpc.db.database import Database
from stagely_rpc.db.driver.pool import PoolLimits
from stagely_rpc.db.idempotency import IdempotencyStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stagely_rpc.db.session import Session
    from stagely_rpc.db.write_session import WriteSession

NO_CALL = Call(method="/stagely.v1.TestService/Test", peer="unix:", request_id="test")


def database_at(url: str, **limits: Any) -> Database:
    return Database(url, PoolLimits(**limits), IdempotencyStore(bytes(32), ttl_seconds=86_400))


@asynccontextmanager
async def reading(db: Database) -> AsyncIterator[Session]:
    """Open a read session, as a call does."""
    current_call.set(NO_CALL)
    async with db.read() as session:
        yield session


@asynccontextmanager
async def writing(db: Database) -> AsyncIterator[WriteSession]:
    """Open a write session, as a call does."""
    current_call.set(NO_CALL)
    async with db.write() as session:
        yield session
        session._answer = b""
