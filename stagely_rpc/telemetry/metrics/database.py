"""The metrics of the database: connections, waits for connections, and durations of statements."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

from stagely_rpc.db.driver.pool_state import PoolState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prometheus_client import CollectorRegistry

KINDS = ("batch", "read", "write", "commit", "maintain")

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_KEYS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class DatabaseMetrics:
    """The metrics of the database. It is an `Observer` (`db.driver.observer`)."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        """Create the metrics and all known children, because a lookup by labels costs more than an increment."""
        self._batch_keys = Histogram(
            "stagely_rpc_batch_keys", "Keys read by one statement.", ["statement"], registry=registry, buckets=_KEYS
        )
        self._batch_keys_by_statement: dict[str, Histogram] = {}
        seconds = Histogram(
            "stagely_rpc_statement_seconds",
            "Duration of a round trip to the database: batched point reads of many calls (batch), reads of one call"
            " (read), the first statements of a transaction (write), its writes and COMMIT (commit), and background"
            " jobs (maintain).",
            ["kind"],
            registry=registry,
            buckets=_SECONDS,
        )
        self._observe_seconds = {kind: seconds.labels(kind).observe for kind in KINDS}
        failures = Counter(
            "stagely_rpc_statement_failures", "Round trips to the database that failed.", ["kind"], registry=registry
        )
        self._failures = {kind: failures.labels(kind) for kind in KINDS}
        self._pool = _PoolMetrics(registry)
        self._observe_wait = self._pool.wait_seconds.observe

    def watch_pool(self, state: Callable[[], PoolState]) -> None:
        """Take the function that returns the state of the pool."""
        self._pool.state = state

    def sample(self) -> None:
        """Set the gauges of the pool."""
        self._pool.sample()

    def batch_sent(self, work: str, calls: Sequence[object]) -> None:
        """Count a batch."""
        histogram = self._batch_keys_by_statement.get(work)
        if histogram is None:
            histogram = self._batch_keys_by_statement[work] = self._batch_keys.labels(work)
        histogram.observe(len(calls))

    def answered(self, work: str, began: float, error: BaseException | None) -> None:
        """Do nothing: the batch was counted."""

    def exchanged(self, kind: str, steps: Sequence[object], began: float, error: BaseException | None) -> None:
        """Count a round trip."""
        del steps
        self._observe_seconds[kind](time.perf_counter() - began)
        if error is not None:
            self._failures[kind].inc()

    def waited(self, began: float, error: BaseException | None) -> None:
        """Count a wait for a connection, successful or not."""
        del error
        self._observe_wait(time.perf_counter() - began)

    def opened(self) -> None:
        """Count an opened connection."""
        self._pool.opened.inc()

    def lost(self) -> None:
        """Count a broken connection."""
        self._pool.lost.inc()


class _PoolMetrics:
    def __init__(self, registry: CollectorRegistry | None) -> None:
        connections = Gauge(
            "stagely_rpc_pool_connections",
            "Connections to the database.",
            ["state"],
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._in_use, self._idle = connections.labels("in_use"), connections.labels("idle")
        self._size = Gauge(
            "stagely_rpc_pool_size", "Maximum number of connections.", registry=registry, multiprocess_mode="livesum"
        )
        self._waiting = Gauge(
            "stagely_rpc_pool_waiting",
            "Calls that are waiting for a connection.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.wait_seconds = Histogram(
            "stagely_rpc_pool_wait_seconds",
            "Duration of waits for a connection, including the time to open one.",
            registry=registry,
            buckets=_SECONDS,
        )
        self.opened = Counter("stagely_rpc_pool_connections_opened", "Connections opened.", registry=registry)
        self.lost = Counter(
            "stagely_rpc_pool_connections_lost",
            "Connections that broke, or were closed during a statement.",
            registry=registry,
        )
        self.state: Callable[[], PoolState] = PoolState

    def sample(self) -> None:
        state = self.state()
        self._in_use.set(state.in_use)
        self._idle.set(state.idle)
        self._size.set(state.size)
        self._waiting.set(state.waiting)
