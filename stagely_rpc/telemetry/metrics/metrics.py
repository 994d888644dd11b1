"""What the service counts and measures of itself, for Prometheus. docs/metrics.md lists it; never whose calls they are.

Labels are names out of the code alone: methods of the contract, status codes, statements. No value of a request is one.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram, values
from prometheus_client.values import MultiProcessValue

from stagely_rpc.telemetry.metrics.audit import TrailMetrics
from stagely_rpc.telemetry.metrics.database import DatabaseMetrics
from stagely_rpc.telemetry.metrics.keys import KeyMetrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prometheus_client import CollectorRegistry

UNKNOWN_METHOD = "unknown"
"""Stands for every method that there is not: callers must not make up labels."""

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


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
        database: what is counted of the database.
        keys: what is counted of keys.
        trail: what is counted of the audit trail.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Make them.

        Args:
            registry: where they are read; None for a worker, whose supervisor reads its files.
        """
        self.registry = registry
        self.in_flight = 0
        self._arrived = CountedElsewhere(
            "calls_arrived",
            "Calls that arrived. Those that are neither under way nor ended were shed or found too large by gRPC's"
            " core, or given up by their callers, before they were begun.",
            registry,
        )
        self._ended = Counter("stagely_rpc_calls", "Calls that ended.", ["method", "code"], registry=registry)
        self._seconds = Histogram(
            "stagely_rpc_call_seconds", "How long calls took.", ["method"], registry=registry, buckets=_SECONDS
        )
        self._in_flight_gauge = Gauge(
            "stagely_rpc_calls_in_flight", "Calls under way.", registry=registry, multiprocess_mode="livesum"
        )
        self._streams = Gauge(
            "stagely_rpc_streams_open", "Open streams.", registry=registry, multiprocess_mode="livesum"
        )
        self._count_streams: Callable[[], int] = int
        self._retries = Counter(
            "stagely_rpc_call_retries",
            "Calls that were run again, because they had lost a race.",
            ["method"],
            registry=registry,
        )
        self._dropped_lines = CountedElsewhere(
            "log_lines_dropped", "Log lines dropped, because nobody read them.", registry
        )
        self._dropped_spans = CountedElsewhere(
            "spans_dropped", "Spans dropped, because no collector took them.", registry
        )
        self.database = DatabaseMetrics(registry)
        self.keys = KeyMetrics(registry)
        self.trail = TrailMetrics(registry)
        self._health = Gauge(
            "stagely_rpc_health",
            "1 for what keeps the service from serving, in any worker.",
            ["cause"],
            registry=registry,
            multiprocess_mode="livemax",
        )

    def calls(self, method: str) -> CallMetrics:
        """Return what counts the calls of a method, by its full name; it is to be kept."""
        name = method.removeprefix("/")
        return CallMetrics(self, name, self._ended, self._seconds.labels(name))

    def count_unknown_method(self) -> None:
        """Count a call of a method that there is not."""
        self._ended.labels(UNKNOWN_METHOD, "UNIMPLEMENTED").inc()

    def count_retry(self, method: str) -> None:
        """Count that a call of a method is run again."""
        self._retries.labels(method.removeprefix("/")).inc()

    def watch_arrivals(self, arrived: Callable[[], int]) -> None:
        """Take what tells how many calls arrived."""
        self._arrived.count = arrived

    def watch_streams(self, count: Callable[[], int]) -> None:
        """Take what tells how many streams are open."""
        self._count_streams = count

    def watch_log_lines(self, dropped: Callable[[], int]) -> None:
        """Take what tells how many lines of the log were dropped."""
        self._dropped_lines.count = dropped

    def watch_spans(self, dropped: Callable[[], int]) -> None:
        """Take what tells how many spans were dropped."""
        self._dropped_spans.count = dropped

    def health(self, causes: Iterable[str]) -> Callable[[str | None], None]:
        """Return what makes known which of these causes keeps the service from serving, or that none does."""
        by_cause = {cause: self._health.labels(cause) for cause in causes}

        def tell(current: str | None) -> None:
            for cause, gauge in by_cause.items():
                gauge.set(cause == current)

        return tell

    async def sample(self) -> None:
        """Make known what goes up and down, and what others count; to be called every so often."""
        self._in_flight_gauge.set(self.in_flight)
        self._streams.set(self._count_streams())
        self.database.sample()
        self._arrived.sample()
        self._dropped_lines.sample()
        self._dropped_spans.sample()


class CountedElsewhere:
    """Counts what somebody else counts.

    Attributes:
        count: tells how many there were since the process began.
    """

    def __init__(self, what: str, documentation: str, registry: CollectorRegistry | None) -> None:
        self.count: Callable[[], int] = int
        self._counter = Counter(f"stagely_rpc_{what}", documentation, registry=registry)
        self._counted = 0

    def sample(self) -> None:
        """Count those since the last time."""
        counted, self._counted = self._counted, self.count()
        self._counter.inc(self._counted - counted)


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
