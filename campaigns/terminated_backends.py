"""Every connection to the database is terminated, each second, under mixed load."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import psycopg

from campaigns.ledger import Ledger
from campaigns.load import Load
from campaigns.report import Report
from campaigns.stage import service
from tests.support.own_postgres import own_postgres

if TYPE_CHECKING:
    from tests.support.own_postgres import OwnPostgres

POOL_SIZE = 5


async def run(seconds: float = 60, callers: int = 32) -> Report:
    """No call ends as if it were the service's fault, no acknowledged write is lost, and the pool is whole after it."""
    report, ledger = Report("terminated_backends"), Ledger()
    with own_postgres() as postgres:
        async with service(postgres.url, DATABASE_POOL_SIZE=str(POOL_SIZE)) as one:
            load = Load(one.address, ledger)
            async with load.running(callers):
                terminated, times = await _terminate(postgres, seconds)
            # As many connections as there may be are there again, and no more than that are kept.
            await _full_pool(one.address, report)
            connections = _connections(postgres.url)
        report.injected["connections terminated"] = f"{terminated}, in {times} rounds"
        report.counted["connections of the service at the end"] = connections
        # One more is the health probe's.
        report.expect(connections <= POOL_SIZE + 1, f"{connections} connections are open: the pool has {POOL_SIZE}")
        report.expect(terminated >= times, "no connection was there to be terminated")
        load.judge(report)
        ledger.verdict(postgres.url).judge(report)
    return report


async def _terminate(postgres: OwnPostgres, seconds: float) -> tuple[int, int]:
    terminated = times = 0
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        await asyncio.sleep(1)
        terminated += await asyncio.to_thread(postgres.terminate_backends)
        times += 1
    return terminated, times


async def _full_pool(address: str, report: Report) -> None:
    after = Load(address, Ledger())
    async with after.running(4 * POOL_SIZE):
        await asyncio.sleep(1)
    refused = {code: number for (_, code), number in after.codes.items() if code != "OK"}
    report.counted["calls afterwards"] = sum(after.codes.values())
    report.expect(not refused, f"calls were refused after it was over: {refused}")


def _connections(url: str) -> int:
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'stagely-rpc%'"
        ).fetchone()
    return found[0] if found else 0
