"""The metrics for Prometheus. docs/metrics.md lists them.

All label values are names from the code: methods of the contract, status codes, statements. No value of a request
becomes a label, so the metrics don't show whose calls they count.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram, values
from prometheus_client.values import MultiProcessValue

from stagely_rpc.telemetry.metrics.audit import AuditMetrics
from stagely_rpc.telemetry.metrics.database import DatabaseMetrics
from stagely_rpc.telemetry.metrics.keys import KeyMetrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prometheus_client import CollectorRegistry

UNKNOWN_METHOD = "unknown"
"""The label of all unknown methods, because callers must not create labels."""

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


def count_as_worker(number: int) -> None:
    """Store the metrics of this process in files, which the supervisor adds up over all workers.

    Call it before creating `Metrics`. A worker that replaces another one continues its counters.

    Args:
        number: the number of the worker, unique among the running workers.
    """
    values.ValueClass = MultiProcessValue(process_identifier=lambda: number)  # type: ignore[no-untyped-call]


class Metrics:
    """The metrics of one process.

    Gauges are cheap for calls: `in_flight` is a plain number, which `sample` publishes.

    Attributes:
        registry: the registry to serve; None for a worker, whose supervisor reads its files.
        in_flight: the number of calls in progress.
        database: the metrics of the database.
        keys: the metrics of keys.
        audit: the metrics of the audit log.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Create the metrics.

        Args:
            registry: the registry to serve; None for a worker, whose supervisor reads its files.
        """
        self.registry = registry
        self.in_flight = 0
        self._arrived = CountedElsewhere(
            "calls_arrived",
            "Calls that arrived. A call that arrived and is neither in flight nor ended was shed or found too large by"
            " gRPC's core, or cancelled by its caller while it was queued.",
            registry,
        )
        self._ended = Counter("stagely_rpc_calls", "Calls that ended.", ["method", "code"], registry=registry)
        self._seconds = Histogram(
            "stagely_rpc_call_seconds", "Duration of calls.", ["method"], registry=registry, buckets=_SECONDS
        )
        self._in_flight_gauge = Gauge(
            "stagely_rpc_calls_in_flight", "Calls in progress.", registry=registry, multiprocess_mode="livesum"
        )
        self._streams = Gauge(
            "stagely_rpc_streams_open", "Open streams.", registry=registry, multiprocess_mode="livesum"
        )
        self._count_streams: Callable[[], int] = int
        self._retries = Counter(
            "stagely_rpc_call_retries",
            "Calls that were run again because they had lost a race.",
            ["method"],
            registry=registry,
        )
        self._dropped_lines = CountedElsewhere(
            "log_lines_dropped", "Log lines dropped because the log reader was too slow.", registry
        )
        self._dropped_spans = CountedElsewhere(
            "spans_dropped", "Spans dropped because the collector did not accept them.", registry
        )
        self.database = DatabaseMetrics(registry)
        self.keys = KeyMetrics(registry)
        self.audit = AuditMetrics(registry)
        self._health = Gauge(
            "stagely_rpc_health",
            "1 for each cause that keeps the service from serving, in any worker.",
            ["cause"],
            registry=registry,
            multiprocess_mode="livemax",
        )

    def calls(self, method: str) -> CallMetrics:
        """Return the metrics of a method, by its full name. Keep it: the lookup is slow."""
        name = method.removeprefix("/")
        return CallMetrics(self, name, self._ended, self._seconds.labels(name))

    def count_unknown_method(self) -> None:
        """Count a call of an unknown method."""
        self._ended.labels(UNKNOWN_METHOD, "UNIMPLEMENTED").inc()

    def count_retry(self, method: str) -> None:
        """Count a call of a method that is run again."""
        self._retries.labels(method.removeprefix("/")).inc()

    def watch_arrivals(self, arrived: Callable[[], int]) -> None:
        """Take the function that returns the number of calls that arrived."""
        self._arrived.count = arrived

    def watch_streams(self, count: Callable[[], int]) -> None:
        """Take the function that returns the number of open streams."""
        self._count_streams = count

    def watch_log_lines(self, dropped: Callable[[], int]) -> None:
        """Take the function that returns the number of dropped log lines."""
        self._dropped_lines.count = dropped

    def watch_spans(self, dropped: Callable[[], int]) -> None:
        """Take the function that returns the number of dropped spans."""
        self._dropped_spans.count = dropped

    def health(self, causes: Iterable[str]) -> Callable[[str | None], None]:
        """Return the function that publishes which of these causes keeps the service from serving, or None."""
        by_cause = {cause: self._health.labels(cause) for cause in causes}

        def publish(current: str | None) -> None:
            for cause, gauge in by_cause.items():
                gauge.set(cause == current)

        return publish

    async def sample(self) -> None:
        """Publish the gauges and the external counters. Call it periodically."""
        self._in_flight_gauge.set(self.in_flight)
        self._streams.set(self._count_streams())
        self.database.sample()
        self._arrived.sample()
        self._dropped_lines.sample()
        self._dropped_spans.sample()


class CountedElsewhere:
    """A counter whose value another component counts.

    Attributes:
        count: returns the count since the start of the process.
    """

    def __init__(self, what: str, documentation: str, registry: CollectorRegistry | None) -> None:
        self.count: Callable[[], int] = int
        self._counter = Counter(f"stagely_rpc_{what}", documentation, registry=registry)
        self._counted = 0

    def sample(self) -> None:
        """Add what was counted since the last call."""
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
        """Count a call as in progress. Return its start time, for `end`."""
        self._metrics.in_flight += 1
        return time.perf_counter()

    def end(self, began: float, code: str) -> None:
        """Count the end of a call with a status code."""
        self._metrics.in_flight -= 1
        self._observe_seconds(time.perf_counter() - began)
        counter = self._by_code.get(code)
        if counter is None:
            counter = self._by_code[code] = self._ended.labels(self._method, code)
        counter.inc()
