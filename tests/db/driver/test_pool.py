"""A stalled pool: calls wait, and no connection is returned."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from stagely_rpc.errors import OverloadedError
from tests.support.databases import database_at
from tests.support.eventually import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stagely_rpc.db.database import Database
    from stagely_rpc.db.driver.lease import Lease

SIZE = 2


@asynccontextmanager
async def full_pool(url: str, *, wait_seconds: float = 5) -> AsyncIterator[tuple[Database, list[Lease]]]:
    """Yield a database whose connections are all in use, and their leases."""
    db = database_at(url, size=SIZE, wait_seconds=wait_seconds)
    leases = [await db._pool.lease() for _ in range(SIZE)]
    try:
        yield db, leases
    finally:
        for lease in leases:
            await lease.close()
        await db.close()


async def is_stalled(db: Database) -> bool:
    return db.stalled_seconds() > 0


async def test_full_pool_without_waiting_calls_is_not_stalled(database_url: str) -> None:
    async with full_pool(database_url) as (db, _):
        await asyncio.sleep(0.05)

        assert db.stalled_seconds() == 0


async def test_pool_is_stalled_while_a_call_waits(database_url: str) -> None:
    async with full_pool(database_url) as (db, leases):
        waiting = asyncio.create_task(db._pool.lease())
        await eventually(lambda: is_stalled(db), expected=True)
        before, began = db.stalled_seconds(), time.monotonic()
        await asyncio.sleep(0.1)
        slept = time.monotonic() - began
        assert db.stalled_seconds() >= before + slept

        await leases.pop().close()
        leases.append(await waiting)

        assert db.stalled_seconds() == 0


async def test_returned_connection_restarts_the_stall_time_of_waiting_calls(database_url: str) -> None:
    async with full_pool(database_url) as (db, leases):
        waiting = [asyncio.create_task(db._pool.lease()) for _ in range(2)]
        await eventually(lambda: is_stalled(db), expected=True)
        await asyncio.sleep(0.2)
        before = db.stalled_seconds()

        await leases.pop().close()
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)

        assert 0 < db.stalled_seconds() < before
        await leases.pop().close()
        leases.extend(await asyncio.gather(*waiting))


async def test_pool_stays_stalled_after_the_waiting_call_times_out(database_url: str) -> None:
    async with full_pool(database_url, wait_seconds=0.01) as (db, leases):
        with pytest.raises(OverloadedError):
            await db.ask()
        assert db.stalled_seconds() > 0

        await leases.pop().close()

        assert db.stalled_seconds() == 0
