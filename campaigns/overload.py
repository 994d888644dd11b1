"""Several times the load that the service can take."""

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
"""Of its best, that the service still does."""
GROWTH = 1.15
"""What the second half may take, in relation to the first, in which buffers for so many calls at a time are made."""
BEST_SECONDS = 5.0
PAUSE_SECONDS = 0.2
PROBE_SECONDS = 2.0
"""How long the probes of deploy/kubernetes wait for an answer; one in vain takes a replica away."""


async def run(seconds: float = 5 * 60, goodput: float = GOODPUT) -> Report:
    """What can be done is done, the rest is shed, memory is bounded, and afterwards all is as before.

    Probes find the service well all the while: a replica that is taken away leaves what it had to do to the others.
    """
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
            with probed(f"127.0.0.1:{port}") as is_well:
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
    report.counted["probes"] = f"{len(is_well)}, {is_well.count(False)} of them in vain"
    report.expect(outcome.refused, "nothing was refused: it was no overload")
    report.expect(good > goodput * best, f"only {good:.0f}/s were answered in time")
    report.expect(after < between * GROWTH, f"memory went on from {between:.0f} to {after:.0f} MB")
    report.expect(again > best / 2, f"afterwards it did {again:.0f}/s of {best:.0f}/s")
    report.expect(all(is_well), "a service that is only busy was taken for a sick one")
    return report


@contextmanager
def probed(target: str) -> Iterator[list[bool]]:
    """Ask now and again for as long as the block runs whether the service is well; give the answers."""
    answers: list[bool] = []
    ended = threading.Event()

    def ask() -> None:
        with grpc.insecure_channel(target) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            while not ended.wait(PAUSE_SECONDS):
                answers.append(_is_serving(health))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield answers
    finally:
        ended.set()
        asking.join()


def _is_serving(health: health_pb2_grpc.HealthStub) -> bool:
    try:
        answer = health.Check(health_pb2.HealthCheckRequest(), timeout=PROBE_SECONDS)
    except grpc.RpcError:
        return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
