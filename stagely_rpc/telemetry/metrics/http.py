"""Where Prometheus reads the metrics: plain HTTP, answered by threads of its own that no call waits for."""

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
    """Return a registry with what holds for any number of processes: what is built, and what each process uses.

    Args:
        pids: the process ids of the workers that run, by their numbers.
        revision: of the schema that this version needs.
    """
    # When each series began, as a series of its own, which doubles them and tells nothing that rates need.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    build = Gauge(
        "stagely_rpc_build_info",
        "The version that runs, of what it is made, and the revision of the schema that it needs.",
        ["version", "python", "grpc", "revision"],
        registry=registry,
    )
    build.labels(__version__, platform.python_version(), version("grpcio"), revision).set(1)
    registry.register(_Processes(pids))
    return registry


def this_process() -> dict[int, int]:
    """Return the one worker that there is where no supervisor is: this process."""
    return {1: os.getpid()}


@contextmanager
def metrics_port(host: str, port: int, registry: CollectorRegistry) -> Iterator[int]:
    """Answer with the metrics of a registry for as long as the block runs, and give the port.

    Args:
        host: the address.
        port: 0 takes a free one.
        registry: of what is answered.

    Raises:
        ListenError: the port can't be had.
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
        """Log nothing: it comes every few seconds."""


class _HttpServer(ThreadingWSGIServer):
    @classmethod
    def at(cls, host: str, port: int) -> _HttpServer:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        of_family = type(cls.__name__, (cls,), {"address_family": family})
        server: _HttpServer = of_family(address[:2], _Request)
        return server

    def server_bind(self) -> None:
        # HTTPServer's looks the host's name up, which takes its time where no name server answers.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def handle_error(self, *_: object) -> None:
        """Keep what a client does wrong out of standard error, where it would be no line of the log."""
        _log.debug("metrics were not read", exc_info=True)


class _Processes:
    """What each worker uses, as it is when it is asked for."""

    def __init__(self, pids: Callable[[], Mapping[int, int]]) -> None:
        self._pids = pids

    def collect(self) -> Iterator[Metric]:
        seconds = CounterMetricFamily(
            "stagely_rpc_worker_cpu_seconds", "Processor time of a worker, user and system.", labels=["worker"]
        )
        gauges = {
            name: GaugeMetricFamily(f"stagely_rpc_worker_{name}", documentation, labels=["worker"])
            for name, documentation in _GAUGES.values()
        }
        for number, pid in sorted(self._pids().items()):
            use = _use_of(pid)
            if "process_cpu_seconds_total" in use:  # It has not just ended.
                seconds.add_metric([str(number)], use["process_cpu_seconds_total"])
            for key in use.keys() & _GAUGES.keys():
                gauges[_GAUGES[key][0]].add_metric([str(number)], use[key])
        yield from (seconds, *gauges.values())


_GAUGES = {
    "process_resident_memory_bytes": ("resident_bytes", "Resident memory of a worker."),
    "process_open_fds": ("open_fds", "Open file descriptors of a worker."),
    "process_max_fds": ("max_fds", "File descriptors that a worker may have open."),
    "process_start_time_seconds": ("start_time_seconds", "When a worker was started, in seconds since 1970."),
}


def _use_of(pid: int) -> dict[str, float]:
    """Return what a process uses, as prometheus_client reads and names it; nothing of a process that has ended."""
    families = ProcessCollector(pid=lambda: pid, registry=None).collect()
    return {sample.name: sample.value for family in families for sample in family.samples}
