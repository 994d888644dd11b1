"""Runs the service as several worker processes: starts them, restarts them when they end, and stops them together."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from stagely_rpc.process.metrics import DIRECTORY_VARIABLE, WorkersMetrics
from stagely_rpc.process.port_reservation import reserved_port
from stagely_rpc.process.shares import shares
from stagely_rpc.process.slots import Slot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stagely_rpc.process.slots import End
    from stagely_rpc.settings.model import Settings
    from stagely_rpc.transport.endpoints import Endpoints

_LATE_SECONDS = 10.0
"""The time that a worker may take to end, in addition to the pause and the grace period."""

_log = structlog.get_logger(__name__)


class WorkerStartError(Exception):
    """No worker can start. The message is one line without secrets."""


async def supervise(settings: Settings, revision: str) -> bool:
    """Run the workers until SIGTERM or SIGINT. A second signal ends them at once.

    Args:
        settings: the settings of the service.
        revision: the schema revision that this version needs, for the metrics.

    Returns:
        Whether every worker drained.

    Raises:
        ListenError: a port is taken.
        WorkerStartError: no worker can start, or the platform can't spread connections over processes.
    """
    if sys.platform != "linux":
        raise WorkerStartError("WORKERS: more than one worker needs Linux, where SO_REUSEPORT spreads connections")
    with ExitStack() as resources:
        environment = {**os.environ, "WORKERS": "1", **_reserve_ports(resources, settings)}
        directory = None
        if settings.metrics_port is not None:
            directory = environment[DIRECTORY_VARIABLE] = _make_directory(resources)
        supervisor = Supervisor(settings, environment, directory, revision)
        if supervisor.metrics is not None and settings.metrics_port is not None:
            resources.enter_context(supervisor.metrics.served(settings.host, settings.metrics_port))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, supervisor.stop)
        drained = await supervisor.run()
    _log.info("stopped")
    return drained


def _reserve_ports(resources: ExitStack, settings: Settings) -> dict[str, str]:
    """Reserve the ports, and return them as environment variables."""
    ports = {"PORT": settings.port, "HEALTH_PORT": settings.health_port}
    return {
        name: str(resources.enter_context(reserved_port(settings.host, port)))
        for name, port in ports.items()
        if port is not None
    }


def _make_directory(resources: ExitStack) -> str:
    """Create a temporary directory for the metrics of the workers."""
    return resources.enter_context(
        tempfile.TemporaryDirectory(prefix="stagely-rpc-metrics-", ignore_cleanup_errors=True)
    )


class Supervisor:
    """The workers of one service."""

    def __init__(
        self, settings: Settings, environment: Mapping[str, str], metrics_directory: str | None, revision: str
    ) -> None:
        """Create the slots without processes.

        Args:
            settings: the settings of the service.
            environment: the environment of every worker, without its shares.
            metrics_directory: the directory of the workers' metrics; None without metrics.
            revision: the schema revision that this version needs, for the metrics.
        """
        self.metrics = None if metrics_directory is None else WorkersMetrics(metrics_directory, self.pids, revision)
        self._stop_seconds = settings.shutdown_pause_seconds + settings.shutdown_grace_seconds
        self._slots = [
            Slot(number, {**environment, **share}, self) for number, share in enumerate(shares(settings), start=1)
        ]
        self._served: set[int] = set()
        self._failure: str | None = None
        self._stop = asyncio.Event()

    def pids(self) -> dict[int, int]:
        """Return the process ids of the running workers by number."""
        return {slot.number: pid for slot in self._slots if (pid := slot.pid) is not None}

    def stop(self) -> None:
        """Drain the workers. The second call ends them at once."""
        if self._stop.is_set():
            self._kill()
        self._stop.set()

    async def run(self) -> bool:
        """Run the workers until they are stopped. Return whether all of them drained.

        Raises:
            WorkerStartError: no worker can start.
        """
        running = [asyncio.create_task(slot.run(), name=f"worker-{slot.number}") for slot in self._slots]
        stopping = asyncio.create_task(self._stop.wait())
        # A slot ends by itself only with a bug, which is raised after the others have drained.
        await asyncio.wait({stopping, *running}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        await self._drain(running)
        if self._failure is not None:
            raise WorkerStartError(self._failure)
        return all([await slot for slot in running])

    async def _drain(self, running: list[asyncio.Task[bool]]) -> None:
        for slot in self._slots:
            slot.stop()
        _, late = await asyncio.wait(running, timeout=self._stop_seconds + _LATE_SECONDS)
        if late:
            _log.error("workers did not end in time", workers=sorted(self.pids()))
            self._kill()
            await asyncio.wait(late)

    def _kill(self) -> None:
        for slot in self._slots:
            slot.kill()

    def note_ready(self, number: int, endpoints: Endpoints) -> None:
        """Announce the service once every worker serves."""
        if number in self._served:
            _log.info("worker replaced", worker=number)
            return
        self._served.add(number)
        if len(self._served) == len(self._slots):
            metrics = None if self.metrics is None else self.metrics.address
            replace(endpoints, workers=len(self._slots), metrics=metrics).announce()

    def note_end(self, number: int, end: End, restart_in_seconds: float) -> None:
        """Log the end of a worker. If no worker has served yet, give up: an operator must fix the cause."""
        if self.metrics is not None:
            self.metrics.note_end(number)
        if not self._served:
            self._failure = self._failure or end.problem or f"a worker ended before it served: {end}"
            self._stop.set()
            return
        _log.error(
            "worker ended", worker=number, end=str(end), reason=end.problem, restart_in_seconds=restart_in_seconds
        )
