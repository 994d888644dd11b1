"""Campaign: the database or the network to it fails for a while, then recovers.

The outages: PostgreSQL is paused, connections are reset and refused, packets are lost, the network is slow.

Measured: the time from the end of each outage until 20 calls have succeeded.
Must hold: calls fail only with expected codes, no write is lost, duplicated or partial, and recovery takes less than
15 s.
"""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING

from campaigns.ledger import Ledger
from campaigns.load import CALL_SECONDS, Load
from campaigns.proxy import network_to
from campaigns.report import Report
from campaigns.service_process import running_service
from tests.support.own_postgres import own_postgres

if TYPE_CHECKING:
    from collections.abc import Callable

    from campaigns.proxy import Network
    from tests.support.own_postgres import OwnPostgres

CALLERS = 20
CALLS_PER_SECOND = 50
SLOW_SECONDS = 0.1
MAX_RECOVERY_SECONDS = CALL_SECONDS + 5
"""A call from the time of the outage may still occupy a caller until its deadline."""


async def run(seconds: float = 10) -> Report:
    """Inject each outage for `seconds`."""
    report, ledger = Report("outages"), Ledger()
    with own_postgres() as postgres:
        async with network_to(postgres.url) as (url, network), running_service(url) as service:
            load = Load(service.address, ledger, calls_per_second=CALLS_PER_SECOND)
            async with load.running(CALLERS):
                for name, begin, end in _outages(postgres, network):
                    await _inject(report, load, name, begin, end, seconds)
            load.add_to(report)
        ledger.compare(postgres.url).add_to(report)
    return report


def _outages(postgres: OwnPostgres, network: Network) -> list[tuple[str, Callable[[], None], Callable[[], None]]]:
    def slow() -> None:
        network.delay_seconds = SLOW_SECONDS

    return [
        (
            "PostgreSQL paused",
            lambda: postgres.signal_all(signal.SIGSTOP),
            lambda: postgres.signal_all(signal.SIGCONT),
        ),
        ("network cut", network.cut, network.restore),
        ("packets lost", network.drop_data, network.restore),
        (f"network slower by {SLOW_SECONDS:g} s", slow, network.restore),
    ]


async def _inject(
    report: Report, load: Load, name: str, begin: Callable[[], None], end: Callable[[], None], seconds: float
) -> None:
    await asyncio.sleep(1)
    begin()
    try:
        await asyncio.sleep(seconds)
    finally:
        end()
    began = time.monotonic()
    await load.wait_for_responses(CALLERS)
    recovery_seconds = time.monotonic() - began
    report.injected[name] = f"{seconds:g} s"
    report.counted[f"{CALLERS} calls succeeded after: {name}"] = f"{recovery_seconds:.1f} s"
    report.expect(recovery_seconds < MAX_RECOVERY_SECONDS, f"after {name}, recovery took {recovery_seconds:.1f} s")
