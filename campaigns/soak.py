"""Campaign: a steady load for half an hour, without faults.

Measured: memory, file descriptors and threads, 60 times.
Must hold: every call succeeds, no write is lost, duplicated or partial, and for each measure the median of the last
third is at most 5 % above that of the second third.
"""

from __future__ import annotations

import asyncio
import statistics
from typing import TYPE_CHECKING

import psutil

from campaigns.ledger import Ledger
from campaigns.load import Load
from campaigns.report import Report
from campaigns.service_process import running_service
from tests.support.own_postgres import own_postgres

if TYPE_CHECKING:
    from campaigns.service_process import ServiceProcess

CALLERS, CALLS_PER_SECOND, SAMPLES = 32, 150, 60
MAX_GROWTH = 1.05
"""The maximum of the last third, relative to the second. Caches fill in the first third."""


async def run(seconds: float = 30 * 60, max_growth: float = MAX_GROWTH) -> Report:
    """Run the load for `seconds`. In a short run the pool still grows, so allow more growth."""
    report, ledger = Report("soak"), Ledger()
    with own_postgres() as postgres:
        async with running_service(postgres.url) as service:
            load = Load(service.address, ledger, calls_per_second=CALLS_PER_SECOND)
            samples = []
            async with load.running(CALLERS):
                for _ in range(SAMPLES):
                    await asyncio.sleep(seconds / SAMPLES)
                    samples.append(_sample(service))
            report.injected["calls"] = f"{sum(load.codes.values())} in {seconds:g} s"
            refused = {code: number for (_, code), number in load.codes.items() if code != "OK"}
            report.expect(not refused, f"calls failed: {refused}")
            load.add_to(report)
        for name, *series in zip(("memory in MB", "file descriptors", "threads"), *samples, strict=True):
            _compare_thirds(report, name, series, max_growth)
        ledger.compare(postgres.url).add_to(report)
    return report


def _sample(service: ServiceProcess) -> tuple[float, int, int]:
    return service.rss_bytes() / 1e6, service.open_files(), psutil.Process(service.running.process.pid).num_threads()


def _compare_thirds(report: Report, name: str, series: list[float], max_growth: float) -> None:
    third = len(series) // 3
    before, after = statistics.median(series[third : 2 * third]), statistics.median(series[2 * third :])
    report.counted[name] = f"{series[0]:.1f} at first, {before:.1f} in the second third, {after:.1f} in the last third"
    report.expect(after <= before * max_growth, f"{name} grew from {before:.1f} to {after:.1f}")
