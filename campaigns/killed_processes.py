"""PostgreSQL, and the service, are killed in the middle of writes, over and over."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from campaigns.ledger import Ledger
from campaigns.load import Load
from campaigns.report import Report
from campaigns.stage import service
from tests.support.own_postgres import own_postgres

if TYPE_CHECKING:
    from campaigns.stage import Service
    from tests.support.own_postgres import OwnPostgres

CALLERS = 16


async def run(database_kills: int = 100, service_kills: int = 200) -> Report:
    """What is acknowledged is stored, each request has one effect at most, and no operation is stored by halves."""
    report, ledger = Report("killed_processes"), Ledger()
    with own_postgres() as postgres:
        async with service(postgres.url) as one:
            load = Load(one.address, ledger)
            async with load.running(CALLERS):
                await _kill(database_kills, postgres)
                await _kill(service_kills, one)
            load.judge(report)
        report.injected["PostgreSQL killed"] = f"{database_kills} times"
        report.injected["service killed"] = f"{service_kills} times"
        ledger.verdict(postgres.url).judge(report)
    return report


async def _kill(times: int, process: OwnPostgres | Service) -> None:
    for _ in range(times):
        await asyncio.sleep(random.uniform(0.2, 0.8))  # noqa: S311 - no secret
        await asyncio.to_thread(process.kill)
        await asyncio.to_thread(process.start)
