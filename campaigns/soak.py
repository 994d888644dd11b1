"""A steady load for a long time: nothing grows."""

from __future__ import annotations

import asyncio
import statistics
from typing import TYPE_CHECKING

import psutil

from campaigns.ledger import Ledger
from campaigns.load import Load
from campaigns.report import Report
from campaigns.stage import service
from tests.support.own_postgres import own_postgres

if TYPE_CHECKING:
    from campaigns.stage import Service

CALLERS, CALLS_PER_SECOND, SAMPLES = 32, 150, 60
GROWTH = 1.05
"""The last third may take so many times what the second took; in the first, caches fill."""


async def run(seconds: float = 30 * 60) -> Report:
    """Memory, file descriptors and threads stay what they are, and every call is answered."""
    report, ledger = Report("soak"), Ledger()
    with own_postgres() as postgres:
        async with service(postgres.url) as one:
            load = Load(one.address, ledger, calls_per_second=CALLS_PER_SECOND)
            samples = []
            async with load.running(CALLERS):
                for _ in range(SAMPLES):
                    await asyncio.sleep(seconds / SAMPLES)
                    samples.append(_sample(one))
            report.injected["calls"] = f"{sum(load.codes.values())} in {seconds:g} s"
            refused = {code: number for (_, code), number in load.codes.items() if code != "OK"}
            report.expect(not refused, f"calls were refused: {refused}")
            load.judge(report)
        for name, *series in zip(("memory in MB", "file descriptors", "threads"), *samples, strict=True):
            _judge(report, name, series)
        ledger.verdict(postgres.url).judge(report)
    return report


def _sample(one: Service) -> tuple[float, int, int]:
    return one.rss_bytes() / 1e6, one.open_files(), psutil.Process(one.running.process.pid).num_threads()


def _judge(report: Report, name: str, series: list[float]) -> None:
    third = len(series) // 3
    before, after = statistics.median(series[third : 2 * third]), statistics.median(series[2 * third :])
    report.counted[name] = f"{series[0]:.1f} at first, {before:.1f} in the second third, {after:.1f} in the last"
    report.expect(after <= before * GROWTH, f"{name} went from {before:.1f} to {after:.1f}")
