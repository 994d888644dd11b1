"""Several times the load that the service can take."""

from __future__ import annotations

import asyncio
from typing import Any

from benchmarks import overload
from benchmarks.dataset import prepare
from benchmarks.load import Load, job_of, run_client
from benchmarks.measure import IN_FLIGHT
from benchmarks.memory import resident_mb
from benchmarks.processes import migrated_database, stagely_server, working_directory
from tests.campaigns.report import Report

TIMES = 3
GROWTH = 1.15
"""What the second half may take, in relation to the first, in which buffers for so many calls at a time are made."""
BEST_SECONDS = 5.0


async def run(seconds: float = 5 * 60, limit: int | None = None) -> Report:
    """What can't be done is refused, memory is bounded, and afterwards the service does what it did before.

    How much of its best is left meanwhile is counted, and not judged: docs/decisions/0013 says why it is less than it
    should be. The limit is MAX_CONCURRENT_RPCS, by default the service's own.
    """
    return await asyncio.to_thread(_run, seconds, limit)


def _run(seconds: float, limit: int | None) -> Report:
    report = Report("overload")
    settings: dict[str, Any] = {} if limit is None else {"MAX_CONCURRENT_RPCS": str(limit)}
    with working_directory() as directory, migrated_database(directory) as url:
        with stagely_server(url, directory, name="preparing") as server:
            dataset = prepare(url, server)
        with stagely_server(url, directory, **settings) as server:
            mix, closed = overload.mixed(dataset), Load(IN_FLIGHT, min(seconds, BEST_SECONDS))
            first = run_client(server, job_of(server, mix, closed))
            best, resident = first.calls / first.seconds, resident_mb(server)
            overload.offered(server, mix, TIMES * best, seconds / 2)
            between = resident_mb(server)
            outcome = overload.offered(server, mix, TIMES * best, seconds / 2)
            after = resident_mb(server)
            last = run_client(server, job_of(server, mix, closed))
    good, again = outcome.good / outcome.seconds, last.calls / last.seconds
    report.injected["load"] = f"{outcome.offered / outcome.seconds:.0f}/s for {seconds:g} s, {TIMES} x the best"
    report.counted["best"] = f"{best:.0f}/s, and {again:.0f}/s afterwards"
    report.counted["answered well and in time"] = f"{good:.0f}/s, {good / best:.2f} of the best"
    report.counted["refused, late"] = f"{outcome.refused}, {outcome.late}"
    report.counted["memory"] = f"{resident:.1f} MB before, {between:.1f} MB halfway, {after:.1f} MB after"
    report.expect(outcome.refused, "nothing was refused: it was no overload")
    report.expect(good, "nothing was answered in time")
    report.expect(after < between * GROWTH, f"memory went on from {between:.0f} to {after:.0f} MB")
    report.expect(again > best / 2, f"afterwards it did {again:.0f}/s of {best:.0f}/s")
    return report
