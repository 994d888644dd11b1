"""The HTTP endpoint for Prometheus. It has its own threads, so that no call waits for a scrape."""

from __future__ import annotations

import os
import platform
import socket
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from socketserver import TCPServer
from threading import Thread
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler

import structlog
from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, disable_created_metrics, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import ThreadingWSGIServer

from stagely_rpc import __version__
from stagely_rpc.errors import ListenError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from prometheus_client.core import Metric

_CLIENT_SECONDS = 10.0
_POLL_SECONDS = 0.1

_log = structlog.get_logger(__name__)


def registry_of(pids: Callable[[], Mapping[int, int]], revision: str) -> CollectorRegistry:
    """Return a registry with the build information and the resource usage of each process.

    Args:
        pids: returns the process ids of the running workers by number.
        revision: the schema revision that this version needs.
    """
    # Without `_created` series, which double the number of series and are not needed for rates.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    build = Gauge(
        "stagely_rpc_build_info",
        "The running version, its Python and libraries, and the schema revision that it needs.",
        ["version", "python", "grpc", "revision"],
        registry=registry,
    )
    build.labels(__version__, platform.python_version(), version("grpcio"), revision).set(1)
    registry.register(_Processes(pids))
    return registry


def this_process() -> dict[int, int]:
    """Return the only worker of a service without supervisor: this process."""
    return {1: os.getpid()}


@contextmanager
def metrics_port(host: str, port: int, registry: CollectorRegistry) -> Iterator[int]:
    """Serve the metrics of a registry while the block runs. Yield the port.

    Args:
        host: the address.
        port: the port; 0 takes a free port.
        registry: the registry to serve.

    Raises:
        ListenError: the port can't be opened.
    """
    with ExitStack() as running:
        try:
            server = running.enter_context(_HttpServer.at(host.strip("[]"), port))
        except OSError as error:
            raise ListenError(f"{host}:{port}") from error
        server.set_app(make_wsgi_app(registry))
        Thread(target=server.serve_forever, args=[_POLL_SECONDS], name="metrics", daemon=True).start()
        running.callback(server.shutdown)
        yield server.server_port


class _Request(WSGIRequestHandler):
    timeout = _CLIENT_SECONDS

    def log_message(self, *_: object) -> None:
        """Don't log scrapes, which come every few seconds."""


class _HttpServer(ThreadingWSGIServer):
    @classmethod
    def at(cls, host: str, port: int) -> _HttpServer:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        of_family = type(cls.__name__, (cls,), {"address_family": family})
        server: _HttpServer = of_family(address[:2], _Request)
        return server

    def server_bind(self) -> None:
        # HTTPServer's own method resolves the host name, which is slow without a name server.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def handle_error(self, *_: object) -> None:
        """Log errors of a client at level debug, instead of writing them to standard error."""
        _log.debug("a scrape failed", exc_info=True)


class _Processes:
    """Collects the resource usage of each worker at each scrape."""

    def __init__(self, pids: Callable[[], Mapping[int, int]]) -> None:
        self._pids = pids

    def collect(self) -> Iterator[Metric]:
        seconds = CounterMetricFamily(
            "stagely_rpc_worker_cpu_seconds", "CPU time of a worker, user and system.", labels=["worker"]
        )
        gauges = {
            name: GaugeMetricFamily(f"stagely_rpc_worker_{name}", documentation, labels=["worker"])
            for name, documentation in _GAUGES.values()
        }
        for number, pid in sorted(self._pids().items()):
            use = _use_of(pid)
            if "process_cpu_seconds_total" in use:  # Otherwise the process has just ended.
                seconds.add_metric([str(number)], use["process_cpu_seconds_total"])
            for key in use.keys() & _GAUGES.keys():
                gauges[_GAUGES[key][0]].add_metric([str(number)], use[key])
        yield from (seconds, *gauges.values())


_GAUGES = {
    "process_resident_memory_bytes": ("resident_bytes", "Resident memory of a worker."),
    "process_open_fds": ("open_fds", "Open file descriptors of a worker."),
    "process_max_fds": ("max_fds", "Maximum number of open file descriptors of a worker."),
    "process_start_time_seconds": ("start_time_seconds", "When a worker started, in seconds since 1970."),
}


def _use_of(pid: int) -> dict[str, float]:
    """Return the resource usage of a process from prometheus_client; empty if the process has ended."""
    families = ProcessCollector(pid=lambda: pid, registry=None).collect()
    return {sample.name: sample.value for family in families for sample in family.samples}
