"""The service as several processes: ports, shares and metrics for them, and signals to all."""

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
    """Run as many workers as the settings say until SIGTERM or SIGINT; a second signal ends them at once.

    Args:
        settings: of the whole.
        revision: of the schema that this version needs, for the metrics.

    Returns:
        Whether every worker let its calls end.

    Raises:
        ListenError: a port is taken.
        WorkerStartError: no worker can start, or the platform can't spread connections over several.
    """
    if sys.platform != "linux":
        raise WorkerStartError("WORKERS: more than one needs Linux, which spreads connections by SO_REUSEPORT")
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
    """Take the ports, and return them as variables."""
    ports = {"PORT": settings.port, "HEALTH_PORT": settings.health_port}
    return {
        name: str(holding.enter_context(held(settings.host, port))) for name, port in ports.items() if port is not None
    }


def _directory(holding: ExitStack) -> str:
    """Make a directory for what the workers count, which is gone at the end."""
    return holding.enter_context(tempfile.TemporaryDirectory(prefix="stagely-rpc-metrics-", ignore_cleanup_errors=True))
