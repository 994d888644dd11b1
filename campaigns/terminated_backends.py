"""Campaign: every connection to the database is terminated once a second.

Measured: the codes of the calls, the lost, duplicated and partial writes, and the service's connections at the end.
Must hold: calls fail only with expected codes, no write is lost, duplicated or partial, every call afterwards succeeds,
and the pool has no more connections than its size.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import psycopg

from campaigns.ledger import Ledger
from campaigns.load import Load
from campaigns.report import Report
from campaigns.service_process import running_service
from tests.support.own_postgres import own_postgres

if TYPE_CHECKING:
    from tests.support.own_postgres import OwnPostgres

POOL_SIZE = 5


async def run(seconds: float = 60, callers: int = 32) -> Report:
    """Terminate all connections once a second for `seconds`."""
    report, ledger = Report("terminated_backends"), Ledger()
    with own_postgres() as postgres:
        async with running_service(postgres.url, DATABASE_POOL_SIZE=str(POOL_SIZE)) as service:
            load = Load(service.address, ledger)
            async with load.running(callers):
                terminated, times = await _terminate(postgres, seconds)
            # Load that needs the whole pool: afterwards the pool must not exceed its size.
            await _use_full_pool(service.address, report)
            connections = _connections(postgres.url)
        report.injected["connections terminated"] = f"{terminated}, in {times} rounds"
        report.counted["connections of the service at the end"] = connections
        # The health probe has one connection of its own.
        report.expect(connections <= POOL_SIZE + 1, f"{connections} connections are open: the pool has {POOL_SIZE}")
        report.expect(terminated >= times, "there were no connections to terminate")
        load.add_to(report)
        ledger.compare(postgres.url).add_to(report)
    return report


async def _terminate(postgres: OwnPostgres, seconds: float) -> tuple[int, int]:
    terminated = times = 0
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        await asyncio.sleep(1)
        terminated += await asyncio.to_thread(postgres.terminate_backends)
        times += 1
    return terminated, times


async def _use_full_pool(address: str, report: Report) -> None:
    after = Load(address, Ledger())
    async with after.running(4 * POOL_SIZE):
        await asyncio.sleep(1)
    refused = {code: number for (_, code), number in after.codes.items() if code != "OK"}
    report.counted["calls afterwards"] = sum(after.codes.values())
    report.expect(not refused, f"calls failed afterwards: {refused}")


def _connections(url: str) -> int:
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'stagely-rpc%'"
        ).fetchone()
    return found[0] if found else 0
