"""Where Prometheus reads the metrics: plain HTTP, answered by threads of its own that no call waits for."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socketserver import TCPServer
from threading import Thread
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler

import structlog
from prometheus_client import CollectorRegistry, Gauge, make_wsgi_app
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import ThreadingWSGIServer

from stagely_rpc import __version__
from stagely_rpc.reach import ListenError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from prometheus_client.core import Metric

_CLIENT_SECONDS = 10.0
_POLL_SECONDS = 0.1

_log = structlog.get_logger(__name__)


def registry_of(pids: Callable[[], Mapping[int, int]]) -> CollectorRegistry:
    """Return a registry with what holds for any number of processes: the version, and the memory of each.

    Args:
        pids: the process ids of the workers that run, by their numbers.
    """
    registry = CollectorRegistry()
    build = Gauge("stagely_rpc_build_info", "The version that runs.", ["version"], registry=registry)
    build.labels(__version__).set(1)
    registry.register(_Memory(pids))
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


class _Memory:
    """The resident memory of each worker, as it is when it is asked for."""

    def __init__(self, pids: Callable[[], Mapping[int, int]]) -> None:
        self._pids = pids
        self._page_bytes = os.sysconf("SC_PAGESIZE")

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(
            "stagely_rpc_worker_resident_bytes", "Resident memory of a worker.", labels=["worker"]
        )
        for number, pid in sorted(self._pids().items()):
            try:
                pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            except OSError:
                continue  # It has just ended.
            family.add_metric([str(number)], pages * self._page_bytes)
        yield family
