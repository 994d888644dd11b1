"""A worker: a server that a supervisor starts and stops, and that reports its start."""

from __future__ import annotations

import asyncio
import signal

import uvloop

from stagely_rpc.process.link import WorkerEnd
from stagely_rpc.process.startup import settle
from stagely_rpc.server.server import Server, StartupError
from stagely_rpc.settings.model import Settings, load
from stagely_rpc.telemetry.logs.configure import configure_logs

CANNOT_START = 2


def run(number: int, descriptor: int) -> int:
    """Serve until SIGTERM or SIGINT, or until the supervisor has ended. Return the exit code.

    Args:
        number: the number of the worker.
        descriptor: the descriptor of the socket to the supervisor.
    """
    link, settings = WorkerEnd(descriptor), load(Settings)
    configure_logs(settings.log_level, json=settings.environment == "production")
    if settings.metrics_port is not None:
        from stagely_rpc.telemetry.metrics.metrics import count_as_worker  # noqa: PLC0415 - as in `server.wiring`

        count_as_worker(number)
    try:
        uvloop.run(_serve(settings, link))
    except StartupError as error:
        link.report_problem(str(error))
        return CANNOT_START
    return 0


async def _serve(settings: Settings, link: WorkerEnd) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    # Ignore further signals: a terminal signals all processes, and the supervisor signals the worker again.
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop.set)
    link.when_closed(stop.set)
    server = Server(settings, supervised=True)
    if await server.start_unless(stop):
        settle()
        link.report_ready(server.endpoints)
        await stop.wait()
        await server.stop()
    # Ignore signals while the process ends, too. Without a handler, they would kill it.
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(each)
        signal.signal(each, signal.SIG_IGN)
