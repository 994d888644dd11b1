"""Campaign: PostgreSQL, then the service, is killed during writes and restarted, many times.

Measured: the codes of the calls, and the writes that are lost, duplicated or partial.
Must hold: calls fail only with expected codes, every acknowledged write is stored, no write is stored twice, and each
write is stored completely or not at all.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from campaigns.ledger import Ledger
from campaigns.load import Load
from campaigns.report import Report
from campaigns.service_process import running_service
from tests.support.own_postgres import own_postgres

if TYPE_CHECKING:
    from campaigns.service_process import ServiceProcess
    from tests.support.own_postgres import OwnPostgres

CALLERS = 16


async def run(database_kills: int = 100, service_kills: int = 200) -> Report:
    """Kill PostgreSQL `database_kills` times, then the service `service_kills` times."""
    report, ledger = Report("killed_processes"), Ledger()
    with own_postgres() as postgres:
        async with running_service(postgres.url) as service:
            load = Load(service.address, ledger)
            async with load.running(CALLERS):
                await _kill(database_kills, postgres)
                await _kill(service_kills, service)
            load.add_to(report)
        report.injected["PostgreSQL killed"] = f"{database_kills} times"
        report.injected["service killed"] = f"{service_kills} times"
        ledger.compare(postgres.url).add_to(report)
    return report


async def _kill(times: int, process: OwnPostgres | ServiceProcess) -> None:
    for _ in range(times):
        await asyncio.sleep(random.uniform(0.2, 0.8))  # noqa: S311 - no secret
        await asyncio.to_thread(process.kill)
        await asyncio.to_thread(process.start)
