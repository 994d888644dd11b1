"""Runs a server in its own process until a signal."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

from stagely_rpc.process.startup import settle
from stagely_rpc.server.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagely_rpc.settings.model import Settings

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_KILLED = 128
"""An exit code above this is this number plus the signal that ended the process."""


async def serve(settings: Settings, on_ready: Callable[[Server], None], *, has_children: bool = False) -> None:
    """Run a server until SIGTERM or SIGINT. A second signal ends the process at once.

    Args:
        settings: the settings of the server.
        on_ready: called when the server serves.
        has_children: whether a second SIGINT must unwind the stack, because callers must end other processes.

    Raises:
        StartupError: the server can't start.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop.set)
    server = Server(settings)
    if not await server.start_unless(stop):
        return
    settle()
    on_ready(server)
    await stop.wait()
    for number in _SIGNALS:
        loop.remove_signal_handler(number)
        if not has_children:
            loop.add_signal_handler(number, _end_by, number)
    await server.stop()


def _end_by(number: signal.Signals) -> None:
    """End the process at once, as the signal does by default. This works for the first process of a container too."""
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)
    os._exit(_KILLED + number)
