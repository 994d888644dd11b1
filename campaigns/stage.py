"""The service that a campaign does its worst to, as a real process."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import psutil

from tests.support.ports import free_port
from tests.support.processes.service import STAGELY_RPC, serving, settings_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from tests.support.processes.service import Running


class Service:
    """`stagely-rpc serve` on one port, which may be killed and started again."""

    def __init__(self, url: str, env: Mapping[str, str], command: Sequence[str], program: Path) -> None:
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._given = (command, settings_for(url, **{"PORT": str(self.port), **env}), program)
        self._stack = ExitStack()
        self.running: Running

    def start(self) -> None:
        """Start it, and wait until it listens."""
        command, env, program = self._given
        self._stack = ExitStack()
        self.running = self._stack.enter_context(serving(command, env, program=program))

    def kill(self) -> None:
        """Kill it."""
        self.running.process.kill()
        self._stack.close()

    def stop(self) -> int:
        """Stop it as a supervisor does; return its exit code."""
        code = self.running.stop()
        self._stack.close()
        return code

    def open_files(self) -> int:
        """Return how many file descriptors it has."""
        return psutil.Process(self.running.process.pid).num_fds()

    def rss_bytes(self) -> int:
        """Return how much memory it has resident."""
        return int(psutil.Process(self.running.process.pid).memory_info().rss)


@asynccontextmanager
async def service(
    url: str, command: Sequence[str] = ("serve",), program: Path = STAGELY_RPC, **env: str
) -> AsyncIterator[Service]:
    """Run a service for this campaign alone. It starts and stops while the loop runs on, which may be its network."""
    one = Service(url, env, command, program)
    await asyncio.to_thread(one.start)
    try:
        yield one
    finally:
        await asyncio.to_thread(one.stop)
