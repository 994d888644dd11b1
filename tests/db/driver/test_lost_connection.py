"""Connections that break: their leases are closed, and the pool does not count them."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from stagely_rpc.errors import UnavailableError
from tests.support.databases import database_at


async def test_broken_lease_is_closed_while_its_place_in_the_pool_reconnects(database_url: str) -> None:
    pool = database_at(database_url, size=1)._pool
    broken = await pool.lease()
    with pytest.raises(UnavailableError):
        await broken.execute("read", text("SELECT pg_terminate_backend(pg_backend_pid())"))
    reconnecting = asyncio.create_task(pool.lease())
    await asyncio.sleep(0)

    await broken.close()

    async with await reconnecting as lease:
        assert not lease.is_broken
    await pool.close()


async def test_broken_connection_does_not_count_as_idle(database_url: str) -> None:
    pool = database_at(database_url, size=2)._pool
    async with await pool.lease(), await pool.lease() as broken:
        with pytest.raises(UnavailableError):
            await broken.execute("read", text("SELECT pg_terminate_backend(pg_backend_pid())"))

    assert pool.state().idle == 1
    await pool.close()
    assert pool.state().idle == 0
