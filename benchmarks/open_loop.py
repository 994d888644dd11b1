"""Open-loop load, a separate process: `python -m benchmarks.open_loop` reads an offer and prints the result as JSON.

Calls start at a fixed rate, whether or not earlier calls have ended, like the calls of many callers.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import orjson
import uvloop

from benchmarks.client import FRESH
from benchmarks.http2 import CallError, Connection

if TYPE_CHECKING:
    from collections.abc import Iterator

_TICK_SECONDS = 0.005


@dataclass(frozen=True)
class Offer:
    """The load to offer.

    Attributes:
        target: host and port.
        metadata: sent with each call.
        requests: full method names, and serialized requests in base64, used in rotation.
        connections: TCP connections.
        calls_per_second: the rate of new calls.
        seconds: the duration.
        deadline_seconds: the deadline of each call, which is sent to the server.
    """

    target: str
    metadata: list[tuple[str, str]]
    requests: list[tuple[str, str]]
    connections: int
    calls_per_second: float
    seconds: float
    deadline_seconds: float


@dataclass
class Outcome:
    """The result of an offer.

    Attributes:
        offered: the number of calls.
        good: calls that succeeded before their deadline.
        late: calls that succeeded after their deadline.
        refused: calls that failed with an error.
        seconds: from the first call to the end of the offer.
    """

    offered: int = 0
    good: int = 0
    late: int = 0
    refused: int = 0
    seconds: float = 0


@dataclass
class _Offering:
    offer: Offer
    outcome: Outcome = field(default_factory=Outcome)
    pending: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self, connections: list[Connection]) -> Outcome:
        """Start calls at the rate, and wait for the running ones at the end."""
        began = time.perf_counter()
        lanes = itertools.cycle(connections)
        requests = self._requests()
        while (elapsed := time.perf_counter() - began) < self.offer.seconds:
            while self.outcome.offered < elapsed * self.offer.calls_per_second:
                self._begin(next(lanes), *next(requests))
            await asyncio.sleep(_TICK_SECONDS)
        self.outcome.seconds = time.perf_counter() - began
        if self.pending:
            await asyncio.wait(self.pending, timeout=2 * self.offer.deadline_seconds)
        return self.outcome

    def _requests(self) -> Iterator[tuple[str, bytes]]:
        decoded = [(path, base64.b64decode(body)) for path, body in self.offer.requests]
        for number, (path, body) in enumerate(itertools.cycle(decoded)):
            yield path, body.replace(FRESH.encode(), b"%012x" % number)

    def _begin(self, connection: Connection, path: str, body: bytes) -> None:
        self.outcome.offered += 1
        task = asyncio.ensure_future(self._call(connection, path, body))
        self.pending.add(task)
        task.add_done_callback(self.pending.discard)

    async def _call(self, connection: Connection, path: str, body: bytes) -> None:
        began = time.perf_counter()
        try:
            await connection.call(path, body)
        except CallError:
            self.outcome.refused += 1
        else:
            if time.perf_counter() - began <= self.offer.deadline_seconds:
                self.outcome.good += 1
            else:
                self.outcome.late += 1


async def perform(offer: Offer) -> Outcome:
    """Run the offer."""
    host, _, port = offer.target.rpartition(":")
    metadata = [*offer.metadata, ("grpc-timeout", f"{round(offer.deadline_seconds * 1000)}m")]
    connect = asyncio.get_running_loop().create_connection
    with ExitStack() as opened:
        connections = []
        for _ in range(offer.connections):
            _, connection = await connect(lambda: Connection(offer.target, metadata), host, int(port))
            opened.callback(connection.close)
            connections.append(connection)
        return await _Offering(offer).run(connections)


if __name__ == "__main__":
    sys.stdout.buffer.write(orjson.dumps(asdict(uvloop.run(perform(Offer(**orjson.loads(sys.stdin.buffer.read())))))))
