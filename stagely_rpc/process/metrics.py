"""The metrics of all workers. Each worker writes files, and the supervisor serves the sums."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from prometheus_client import Counter
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from stagely_rpc.telemetry.metrics.http import metrics_port, registry_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""The variable from which prometheus-client in a worker reads where to write its files."""


class WorkersMetrics:
    """The metrics of all workers.

    Attributes:
        address: host and port of the metrics, while they are served.
        registry: the registry that is served.
    """

    def __init__(self, directory: str, pids: Callable[[], Mapping[int, int]], revision: str) -> None:
        """Take the sources of the metrics.

        Args:
            directory: the directory of the workers' files.
            pids: returns the process ids of the running workers by number.
            revision: the schema revision that this version needs.
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
            port: the port; 0 takes a free port.

        Raises:
            ListenError: the port can't be opened.
        """
        with metrics_port(host, port, self.registry) as taken:
            self.address = f"{host}:{taken}"
            yield

    def note_end(self, number: int) -> None:
        """Remove the live gauges of a worker that ended. Its counters stay."""
        mark_process_dead(number, self._directory)  # type: ignore[no-untyped-call]
        self._restarts.labels(str(number)).inc()
