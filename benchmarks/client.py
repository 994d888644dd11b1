"""The load generator, a separate process: `python -m benchmarks.client` reads a job and prints its result as JSON."""

from __future__ import annotations

import asyncio
import base64
import itertools
import statistics
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import orjson
import uvloop

from benchmarks.http2 import Connection

if TYPE_CHECKING:
    from collections.abc import Sequence

    Turn = list[tuple[str, bytes]]

FRESH = "000000000000"
"""A placeholder in requests, which each call replaces by 12 new hexadecimal digits."""

_CALLS_OF_A_JOB_BITS = 24


@dataclass(frozen=True)
class Job:
    """A job: load for some time, or a number of calls.

    Attributes:
        target: host and port.
        metadata: sent with each call.
        turns: full method names, and serialized requests in base64. The turns are distributed over the lanes in flight.
            The calls of a turn are made in sequence, and a started turn is finished.
        connections: TCP connections.
        in_flight: concurrent calls, over all connections.
        warm_up_seconds: time before the measurement.
        seconds: the time of the measurement.
        calls: end after this number of calls.
        number: different for each job of a run, so that generated values differ between jobs.
    """

    target: str
    metadata: list[tuple[str, str]]
    turns: list[list[tuple[str, str]]]
    connections: int
    in_flight: int
    warm_up_seconds: float = 0
    seconds: float = 3600
    calls: int = sys.maxsize
    number: int = 0


@dataclass
class Result:
    """The result of a job. The latencies are 0 without calls."""

    calls: int
    seconds: float
    p50_micros: float
    p99_micros: float


@dataclass
class _Run:
    begins: float
    ends: float
    calls_left: int
    number: int
    micros: list[float] = field(default_factory=list)

    async def work(self, connection: Connection, turns: Sequence[Turn]) -> None:
        """Run turns until the end of the job. A failed call ends the job with its error."""
        for turn in itertools.cycle(turns):
            if not self.calls_left or time.perf_counter() >= self.ends:
                return
            for path, body in turn:
                await self._call(connection, path, body)

    async def _call(self, connection: Connection, path: str, body: bytes) -> None:
        self.calls_left = max(0, self.calls_left - 1)
        self.number += 1
        fresh = b"%012x" % self.number
        started = time.perf_counter()
        await connection.call(path, body.replace(FRESH.encode(), fresh))
        ended = time.perf_counter()
        if self.begins <= ended <= self.ends:
            self.micros.append((ended - started) * 1e6)


async def perform(job: Job) -> Result:
    """Do a job, and fail if any call does."""
    turns = [[(path, base64.b64decode(body)) for path, body in turn] for turn in job.turns]
    with ExitStack() as opened:
        connections = [await _connect(job, opened) for _ in range(job.connections)]
        begins = time.perf_counter() + job.warm_up_seconds
        run = _Run(begins, begins + job.seconds, job.calls, job.number << _CALLS_OF_A_JOB_BITS)
        lanes = [
            run.work(connections[lane % len(connections)], dealt(turns, lane, job)) for lane in range(job.in_flight)
        ]
        await asyncio.gather(*lanes)
    seconds = min(time.perf_counter(), run.ends) - begins
    return Result(len(run.micros), seconds, *_percentiles(run.micros))


def dealt(turns: Sequence[Turn], lane: int, job: Job) -> Sequence[Turn]:
    """Return the turns of a lane. If there are too few, lanes share them."""
    return turns[lane :: job.in_flight] or [turns[lane % len(turns)]]


async def _connect(job: Job, opened: ExitStack) -> Connection:
    host, _, port = job.target.rpartition(":")
    connect = asyncio.get_running_loop().create_connection
    _, connection = await connect(lambda: Connection(job.target, job.metadata), host, int(port))
    opened.callback(connection.close)
    return connection


def _percentiles(micros: Sequence[float]) -> tuple[float, float]:
    if len(micros) < 2:  # noqa: PLR2004 - no percentile of fewer
        return (micros[0], micros[0]) if micros else (0, 0)
    hundredths = statistics.quantiles(micros, n=100, method="inclusive")
    return hundredths[49], hundredths[98]


if __name__ == "__main__":
    sys.stdout.buffer.write(orjson.dumps(asdict(uvloop.run(perform(Job(**orjson.loads(sys.stdin.buffer.read())))))))
