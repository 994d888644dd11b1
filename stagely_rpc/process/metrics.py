"""The metrics of all workers in one place: each writes files, and the supervisor answers with their sum."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from prometheus_client import Counter
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from stagely_rpc.telemetry.metrics.http import metrics_port, registry_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""By which prometheus-client, in a worker, knows where its files are to be."""


class WorkersMetrics:
    """What is counted by all workers together.

    Attributes:
        address: host and port where they are read, while they are.
        registry: of what is read there.
    """

    def __init__(self, directory: str, pids: Callable[[], Mapping[int, int]], revision: str) -> None:
        """Take where the workers count.

        Args:
            directory: of their files.
            pids: the process ids of those that run, by their numbers.
            revision: of the schema that this version needs.
        """
        self.address: str | None = None
        self._directory = directory
        self.registry = registry_of(pids, revision)
        MultiProcessCollector(self.registry, directory)  # type: ignore[no-untyped-call]
        self._restarts = Counter(
            "stagely_rpc_worker_restarts", "Workers that ended and were replaced.", ["worker"], registry=self.registry
        )

    @contextmanager
    def served(self, host: str, port: int) -> Iterator[None]:
        """Serve the metrics while the block runs.

        Args:
            host: the address.
            port: 0 takes a free one.

        Raises:
            ListenError: the port can't be had.
        """
        with metrics_port(host, port, self.registry) as taken:
            self.address = f"{host}:{taken}"
            yield

    def note_end(self, number: int) -> None:
        """Drop the live gauges of a worker that ended. Its counters stay."""
        mark_process_dead(number, self._directory)  # type: ignore[no-untyped-call]
        self._restarts.labels(str(number)).inc()
