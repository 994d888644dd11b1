"""Runs the service as several processes: their ports, shares and metrics, and signals to all."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from contextlib import ExitStack
from typing import TYPE_CHECKING

import structlog

from stagely_rpc.process.metrics import DIRECTORY_VARIABLE
from stagely_rpc.process.port_reservation import held
from stagely_rpc.process.supervisor import Supervisor, WorkerStartError

if TYPE_CHECKING:
    from stagely_rpc.settings.model import Settings

_log = structlog.get_logger(__name__)


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
    with ExitStack() as holding:
        environment = {**os.environ, "WORKERS": "1", **_ports(holding, settings)}
        directory = None
        if settings.metrics_port is not None:
            directory = environment[DIRECTORY_VARIABLE] = _directory(holding)
        supervisor = Supervisor(settings, environment, directory, revision)
        if supervisor.metrics is not None and settings.metrics_port is not None:
            holding.enter_context(supervisor.metrics.served(settings.host, settings.metrics_port))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, supervisor.stop)
        drained = await supervisor.run()
    _log.info("stopped")
    return drained


def _ports(holding: ExitStack, settings: Settings) -> dict[str, str]:
    """Reserve the ports, and return them as environment variables."""
    ports = {"PORT": settings.port, "HEALTH_PORT": settings.health_port}
    return {
        name: str(holding.enter_context(held(settings.host, port))) for name, port in ports.items() if port is not None
    }


def _directory(holding: ExitStack) -> str:
    """Create a temporary directory for the metrics of the workers."""
    return holding.enter_context(tempfile.TemporaryDirectory(prefix="stagely-rpc-metrics-", ignore_cleanup_errors=True))
