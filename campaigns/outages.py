"""The database is paused, the network to it is cut, swallows everything or is slow."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING

from campaigns.ledger import Ledger
from campaigns.load import CALL_SECONDS, Load
from campaigns.proxy import network_to
from campaigns.report import Report
from campaigns.stage import service
from tests.support.own_postgres import own_postgres

if TYPE_CHECKING:
    from collections.abc import Callable

    from campaigns.proxy import Network
    from tests.support.own_postgres import OwnPostgres

CALLERS = 20
CALLS_PER_SECOND = 50
SLOW_SECONDS = 0.1
LONGEST_SECONDS = CALL_SECONDS + 5
"""A caller may still wait for a call of the outage, until its deadline."""


async def run(seconds: float = 10) -> Report:
    """Calls fail honestly while it lasts, and are answered as ever soon after it."""
    report, ledger = Report("outages"), Ledger()
    with own_postgres() as postgres:
        async with network_to(postgres.url) as (url, network), service(url) as one:
            load = Load(one.address, ledger, calls_per_second=CALLS_PER_SECOND)
            async with load.running(CALLERS):
                for name, begin, end in _outages(postgres, network):
                    await _suffer(report, load, name, begin, end, seconds)
            load.judge(report)
        ledger.verdict(postgres.url).judge(report)
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
        ("network cut", network.cut, network.heal),
        ("packets lost", network.swallow, network.heal),
        (f"network slower by {SLOW_SECONDS:g} s", slow, network.heal),
    ]


async def _suffer(
    report: Report, load: Load, name: str, begin: Callable[[], None], end: Callable[[], None], seconds: float
) -> None:
    await asyncio.sleep(1)
    begin()
    try:
        await asyncio.sleep(seconds)
    finally:
        end()
    began = time.monotonic()
    await load.answers(CALLERS)
    well_again = time.monotonic() - began
    report.injected[name] = f"{seconds:g} s"
    report.counted[f"{CALLERS} calls answered after: {name}"] = f"{well_again:.1f} s"
    report.expect(well_again < LONGEST_SECONDS, f"after {name}, it took {well_again:.1f} s until all was well")
