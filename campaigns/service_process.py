"""The service under test in a campaign, as a real process."""

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


class ServiceProcess:
    """`stagely-rpc serve` on one port. It can be killed and started again."""

    def __init__(self, url: str, env: Mapping[str, str], command: Sequence[str], program: Path) -> None:
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._arguments = (command, settings_for(url, **{"PORT": str(self.port), **env}), program)
        self._stack = ExitStack()
        self.running: Running

    def start(self) -> None:
        """Start the service and wait until it listens."""
        command, env, program = self._arguments
        self._stack = ExitStack()
        self.running = self._stack.enter_context(serving(command, env, program=program))

    def kill(self) -> None:
        """Kill the service with SIGKILL."""
        self.running.process.kill()
        self._stack.close()

    def stop(self) -> int:
        """Stop the service as a supervisor does; return its exit code."""
        code = self.running.stop()
        self._stack.close()
        return code

    def open_files(self) -> int:
        """Return the number of its file descriptors."""
        return psutil.Process(self.running.process.pid).num_fds()

    def rss_bytes(self) -> int:
        """Return its resident memory in bytes."""
        return int(psutil.Process(self.running.process.pid).memory_info().rss)


@asynccontextmanager
async def running_service(
    url: str, command: Sequence[str] = ("serve",), program: Path = STAGELY_RPC, **env: str
) -> AsyncIterator[ServiceProcess]:
    """Run a service for one campaign. Start and stop it in threads, because this event loop may run its network."""
    service = ServiceProcess(url, env, command, program)
    await asyncio.to_thread(service.start)
    try:
        yield service
    finally:
        await asyncio.to_thread(service.stop)
