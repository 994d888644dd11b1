"""Campaign: three times the load that the service can handle.

Measured: goodput (calls that succeed in time) against the best rate, refused and late calls, memory, the best rate
afterwards, and health probes.
Must hold: goodput stays above 0.8 of the best rate, the excess is refused, memory stays bounded, at least half of the
best rate is reached afterwards, and no health probe fails. A failed probe would take the replica away, and its load
would move to the others.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from benchmarks import overload
from benchmarks.dataset import prepare
from benchmarks.load import Load, job_of, run_client
from benchmarks.measure import IN_FLIGHT
from benchmarks.memory import resident_mb
from benchmarks.processes import migrated_database, stagely_server, working_directory
from campaigns.report import Report
from tests.support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMES = 3
GOODPUT = 0.8
"""The minimum rate of good calls under overload, as a share of the best rate."""
MAX_GROWTH = 1.15
"""The maximum memory after the second half, relative to after the first. Buffers are allocated in the first half."""
BEST_SECONDS = 5.0
PROBE_INTERVAL_SECONDS = 0.2
PROBE_TIMEOUT_SECONDS = 2.0
"""The timeout of the probes in deploy/kubernetes."""


async def run(seconds: float = 5 * 60, goodput: float = GOODPUT) -> Report:
    """Overload the service for `seconds`; `goodput` is the minimum share of the best rate."""
    return await asyncio.to_thread(_run, seconds, goodput)


def _run(seconds: float, goodput: float) -> Report:
    report, port = Report("overload"), str(free_port())
    with working_directory() as directory, migrated_database(directory) as url:
        with stagely_server(url, directory, name="preparing") as server:
            dataset = prepare(url, server)
        with stagely_server(url, directory, HEALTH_PORT=port) as server:
            mix, closed = overload.mixed(dataset), Load(IN_FLIGHT, min(seconds, BEST_SECONDS))
            first = run_client(server, job_of(server, mix, closed))
            best, resident = first.calls / first.seconds, resident_mb(server)
            with health_probes(f"127.0.0.1:{port}") as probes:
                overload.offered(server, mix, TIMES * best, seconds / 2)
                between = resident_mb(server)
                outcome = overload.offered(server, mix, TIMES * best, seconds / 2)
            after = resident_mb(server)
            last = run_client(server, job_of(server, mix, closed))
    good, again = outcome.good / outcome.seconds, last.calls / last.seconds
    report.injected["load"] = f"{outcome.offered / outcome.seconds:.0f}/s for {seconds:g} s, {TIMES} x the best"
    report.counted["best"] = f"{best:.0f}/s, and {again:.0f}/s afterwards"
    report.counted["good calls"] = f"{good:.0f}/s, {good / best:.2f} of the best"
    report.counted["refused, late"] = f"{outcome.refused}, {outcome.late}"
    report.counted["memory"] = f"{resident:.1f} MB before, {between:.1f} MB halfway, {after:.1f} MB after"
    report.counted["probes"] = f"{len(probes)}, of which {probes.count(False)} failed"
    report.expect(outcome.refused, "no call was refused: the service was not overloaded")
    report.expect(good > goodput * best, f"only {good:.0f} good calls/s")
    report.expect(after < between * MAX_GROWTH, f"memory grew from {between:.0f} to {after:.0f} MB in the second half")
    report.expect(again > best / 2, f"the best rate was {best:.0f}/s before and {again:.0f}/s afterwards")
    report.expect(all(probes), "a health probe failed although the service was only busy")
    return report


@contextmanager
def health_probes(target: str) -> Iterator[list[bool]]:
    """Call the health check every 0.2 s during the block; yield the list of results."""
    results: list[bool] = []
    ended = threading.Event()

    def probe() -> None:
        with grpc.insecure_channel(target) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            while not ended.wait(PROBE_INTERVAL_SECONDS):
                results.append(_is_serving(health))

    prober = threading.Thread(target=probe)
    prober.start()
    try:
        yield results
    finally:
        ended.set()
        prober.join()


def _is_serving(health: health_pb2_grpc.HealthStub) -> bool:
    try:
        response = health.Check(health_pb2.HealthCheckRequest(), timeout=PROBE_TIMEOUT_SECONDS)
    except grpc.RpcError:
        return False
    return bool(response.status == health_pb2.HealthCheckResponse.SERVING)
