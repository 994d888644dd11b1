"""A grpc.aio load client, in a process of its own: `python -m benchmarks.client`, a job in, its result out, as JSON."""

from __future__ import annotations

import asyncio
import base64
import itertools
import statistics
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import grpc
import orjson
import uvloop

if TYPE_CHECKING:
    from collections.abc import Iterator

    Request = tuple[str, bytes]


@dataclass(frozen=True)
class Job:
    """What to do: for some time, or a number of calls.

    Attributes:
        target: host and port.
        metadata: sent with each call.
        requests: full method names, and serialized requests in base64; sent in turn.
        connections: TCP connections.
        in_flight: calls at a time, over all connections.
        seconds: end then.
        calls: end after so many.
    """

    target: str
    metadata: list[tuple[str, str]]
    requests: list[tuple[str, str]]
    connections: int
    in_flight: int
    seconds: float = 3600
    calls: int = sys.maxsize


@dataclass
class Result:
    """What came of it; `micros` are the latencies' median, 0 for no call."""

    calls: int
    seconds: float
    p50_micros: float


@dataclass
class _Run:
    metadata: list[tuple[str, str]]
    requests: Iterator[Request]
    deadline: float
    calls_left: int
    micros: list[float] = field(default_factory=list)

    async def work(self, channel: grpc.aio.Channel) -> None:
        """Call until the run is over. A call that fails ends the run with its error."""
        while self.calls_left and time.perf_counter() < self.deadline:
            self.calls_left -= 1
            method, body = next(self.requests)
            started = time.perf_counter()
            await channel.unary_unary(method, bytes, bytes)(body, metadata=self.metadata)
            self.micros.append((time.perf_counter() - started) * 1e6)


async def perform(job: Job) -> Result:
    """Do a job, and fail if any call does."""
    requests = [(method, base64.b64decode(body)) for method, body in job.requests]
    # JSON has no tuples, and gRPC takes nothing else.
    metadata = [(key, value) for key, value in job.metadata]
    async with AsyncExitStack() as channels:
        options = [("grpc.use_local_subchannel_pool", 1)]
        opened = [
            await channels.enter_async_context(grpc.aio.insecure_channel(job.target, options=options))
            for _ in range(job.connections)
        ]
        for channel in opened:
            await channel.unary_unary(requests[0][0], bytes, bytes)(requests[0][1], metadata=metadata)
        started = time.perf_counter()
        run = _Run(metadata, itertools.cycle(requests), started + job.seconds, job.calls)
        await asyncio.gather(*(run.work(opened[number % len(opened)]) for number in range(job.in_flight)))
        seconds = time.perf_counter() - started
    return Result(len(run.micros), seconds, statistics.median(run.micros or [0]))


if __name__ == "__main__":
    sys.stdout.buffer.write(orjson.dumps(asdict(uvloop.run(perform(Job(**orjson.loads(sys.stdin.buffer.read())))))))
