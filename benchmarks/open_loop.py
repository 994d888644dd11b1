"""Open-loop load, in a process of its own: `python -m benchmarks.open_loop`, an offer in, what came of it out, as JSON.

Calls begin at a rate, whether or not those before them have ended, as those of many callers do.
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
    """What to offer.

    Attributes:
        target: host and port.
        metadata: sent with each call.
        requests: full method names, and serialized requests in base64; each in its turn.
        connections: TCP connections.
        calls_per_second: at which calls begin.
        seconds: for how long.
        deadline_seconds: of each call, which the server is told.
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
    """What came of it.

    Attributes:
        offered: calls that were begun.
        good: those that were answered well, and in time.
        late: those that were answered well when nobody waited any more.
        refused: those that were answered by an error.
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
        """Begin calls at the rate, and wait for those that are under way at the end."""
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
    """Make an offer."""
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
