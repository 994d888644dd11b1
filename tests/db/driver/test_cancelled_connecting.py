"""A call that is cancelled while it connects leaves no connection open at the server."""

from __future__ import annotations

import asyncio
import gc
import random
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
from sqlalchemy import text

from tests.support.databases import database_at
from tests.support.eventually import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stagely_rpc.db.database import Database

CALLS = 60


@contextmanager
def garbage_collection_disabled() -> Iterator[None]:
    """Disable the garbage collector, so that it can't close a leaked connection."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def ping(db: Database) -> None:
    async with db.system_transaction() as session:
        await session.execute(text("SELECT 1"))


async def test_cancelled_call_leaves_no_connection_open(fresh_database_url: str) -> None:
    db = database_at(fresh_database_url)
    with garbage_collection_disabled():
        for _ in range(CALLS):
            db.replace_connections()
            call = asyncio.create_task(ping(db))
            await asyncio.sleep(random.uniform(0, 0.006))  # noqa: S311 - a time, not a secret
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
        pooled = db.connections().idle

        async with await psycopg.AsyncConnection.connect(fresh_database_url, autocommit=True) as admin:

            async def has_more() -> bool:
                counted = await admin.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
                )
                (number,) = await counted.fetchone() or (-1,)
                return int(number) > pooled

            await eventually(has_more, expected=False)
    await db.close()
