"""What the service counts and measures of itself, for Prometheus: calls, batches, connections. Never whose they are.

Labels are names out of the code alone: methods of the contract, status codes, statements. No value of a request is one.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram, values
from prometheus_client.values import MultiProcessValue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prometheus_client import CollectorRegistry

UNKNOWN_METHOD = "unknown"
"""Stands for every method that there is not: callers must not make up labels."""

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_KEYS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


def count_as_worker(number: int) -> None:
    """Keep what this process counts in the files of a worker, from which its supervisor adds all workers up.

    To be called before the first `Metrics`. A worker that takes the place of a dead one counts on where that stopped.

    Args:
        number: of the worker, different from that of every other one that runs.
    """
    values.ValueClass = MultiProcessValue(process_identifier=lambda: number)  # type: ignore[no-untyped-call]


class Metrics:
    """The metrics of one process.

    What a call costs is what it adds to: how many calls are under way is a number here, which `sample` makes known.

    Attributes:
        registry: where they are read; None for a worker, whose supervisor reads its files.
        in_flight: how many calls are under way.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Make them.

        Args:
            registry: where they are read; None for a worker, whose supervisor reads its files.
        """
        self.registry = registry
        self.in_flight = 0
        self._ended = Counter("stagely_rpc_calls", "Calls that ended.", ["method", "code"], registry=registry)
        self._seconds = Histogram(
            "stagely_rpc_call_seconds", "How long calls took.", ["method"], registry=registry, buckets=_SECONDS
        )
        self._in_flight_gauge = Gauge(
            "stagely_rpc_calls_in_flight", "Calls under way.", registry=registry, multiprocess_mode="livesum"
        )
        self._batch_keys = Histogram(
            "stagely_rpc_batch_keys", "Keys read by one statement.", ["statement"], registry=registry, buckets=_KEYS
        )
        connections = Gauge(
            "stagely_rpc_pool_connections",
            "Connections to the database.",
            ["state"],
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._in_use, self._idle = connections.labels("in_use"), connections.labels("idle")
        self._health = Gauge(
            "stagely_rpc_health",
            "1 for what keeps the service from serving, in any worker.",
            ["cause"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._batch_keys_by_statement: dict[str, Histogram] = {}
        self._connections: Callable[[], tuple[int, int]] = lambda: (0, 0)

    def calls(self, method: str) -> CallMetrics:
        """Return what counts the calls of a method, by its full name; it is to be kept."""
        name = method.removeprefix("/")
        return CallMetrics(self, name, self._ended, self._seconds.labels(name))

    def count_unknown_method(self) -> None:
        """Count a call of a method that there is not."""
        self._ended.labels(UNKNOWN_METHOD, "UNIMPLEMENTED").inc()

    def observe_batch(self, statement: str, keys: int) -> None:
        """Count a statement that read for several callers at once.

        Args:
            statement: its name in the code.
            keys: how many it read.
        """
        if statement not in self._batch_keys_by_statement:
            self._batch_keys_by_statement[statement] = self._batch_keys.labels(statement)
        self._batch_keys_by_statement[statement].observe(keys)

    def watch_pool(self, connections: Callable[[], tuple[int, int]]) -> None:
        """Take what tells how many connections calls use, and how many wait for calls."""
        self._connections = connections

    def health(self, causes: Iterable[str]) -> Callable[[str | None], None]:
        """Return what makes known which of these causes keeps the service from serving, or that none does."""
        by_cause = {cause: self._health.labels(cause) for cause in causes}

        def tell(current: str | None) -> None:
            for cause, gauge in by_cause.items():
                gauge.set(cause == current)

        return tell

    async def sample(self) -> None:
        """Make known what goes up and down; to be called every so often."""
        in_use, idle = self._connections()
        self._in_flight_gauge.set(self.in_flight)
        self._in_use.set(in_use)
        self._idle.set(idle)


class CallMetrics:
    """Counts the calls of one method."""

    __slots__ = ("_by_code", "_ended", "_method", "_metrics", "_observe_seconds")

    def __init__(self, metrics: Metrics, method: str, ended: Counter, seconds: Histogram) -> None:
        self._metrics = metrics
        self._method = method
        self._ended = ended
        self._observe_seconds = seconds.observe
        self._by_code: dict[str, Counter] = {}

    def begin(self) -> float:
        """Count a call as under way; return when it began, for `end`."""
        self._metrics.in_flight += 1
        return time.perf_counter()

    def end(self, began: float, code: str) -> None:
        """Count the end of a call, by the name of its status code."""
        self._metrics.in_flight -= 1
        self._observe_seconds(time.perf_counter() - began)
        counter = self._by_code.get(code)
        if counter is None:
            counter = self._by_code[code] = self._ended.labels(self._method, code)
        counter.inc()
