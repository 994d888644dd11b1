"""A worker slot runs one process after another. Each process is a new program."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from stagely_rpc.process.link import Problem, SupervisorEnd
from stagely_rpc.transport.endpoints import Endpoints

if TYPE_CHECKING:
    from collections.abc import Mapping

_FIRST_DELAY_SECONDS = 0.5
_LONGEST_DELAY_SECONDS = 30.0
_STABLE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class End:
    """How a process ended.

    Attributes:
        exit_code: the exit code as in `subprocess`: negative for a signal.
        served: whether the process had reported that it serves.
        problem: why the process could not start, if it reported that.
        lived_seconds: the run time of the process.
    """

    exit_code: int
    served: bool
    problem: str | None
    lived_seconds: float

    def __str__(self) -> str:
        return signal.Signals(-self.exit_code).name if self.exit_code < 0 else f"exit code {self.exit_code}"


class Overseer(Protocol):
    """Is notified about the processes of a slot."""

    def note_ready(self, number: int, endpoints: Endpoints) -> None:
        """A worker started to serve."""
        ...

    def note_end(self, number: int, end: End, restart_in_seconds: float) -> None:
        """A worker ended without being stopped."""
        ...


class Backoff:
    """The delay before a worker is replaced. It grows until a worker has run for long enough."""

    def __init__(self) -> None:
        self._delay_seconds = _FIRST_DELAY_SECONDS

    def after(self, lived_seconds: float) -> float:
        """Return the next delay in seconds."""
        if lived_seconds >= _STABLE_SECONDS:
            self._delay_seconds = _FIRST_DELAY_SECONDS
        delay = self._delay_seconds
        self._delay_seconds = min(2 * delay, _LONGEST_DELAY_SECONDS)
        return delay


class Slot:
    """Keeps one worker running."""

    def __init__(self, number: int, environment: Mapping[str, str], overseer: Overseer) -> None:
        """Create the slot without a process.

        Args:
            number: the number of the worker, from 1.
            environment: the environment of its processes.
            overseer: is notified about the processes.
        """
        self.number = number
        self._environment = environment
        self._overseer = overseer
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._backoff = Backoff()

    @property
    def pid(self) -> int | None:
        """The running process, if any."""
        process = self._process
        return None if process is None or process.returncode is not None else process.pid

    async def run(self) -> bool:
        """Start the worker, and restart it when it ends, until it is stopped. Return whether it drained."""
        while not self._stopping.is_set():
            end = await self._run_process()
            if self._stopping.is_set():
                return end.exit_code == 0 or not end.served
            delay = self._backoff.after(end.lived_seconds)
            self._overseer.note_end(self.number, end, delay)
            await self._pause(delay)
        return True

    def stop(self) -> None:
        """Drain the worker, and do not restart it."""
        self._stopping.set()
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End the worker at once."""
        self._send(signal.SIGKILL)

    async def _run_process(self) -> End:
        began = time.monotonic()
        report: Endpoints | Problem | None
        try:
            report, exit_code = await self._until_it_ends()
        except OSError as error:
            report, exit_code = Problem(f"can't start a process: {error.strerror}"), os.EX_OSERR
        problem = report.line if isinstance(report, Problem) else None
        return End(exit_code, isinstance(report, Endpoints), problem, time.monotonic() - began)

    async def _until_it_ends(self) -> tuple[Endpoints | Problem | None, int]:
        """Start a process and wait for its end. Return what it reported, and its exit code."""
        with SupervisorEnd() as link:
            self._process = await self._start(link)
            if self._stopping.is_set():
                self.stop()
            report = await link.report()
            if isinstance(report, Endpoints):
                self._overseer.note_ready(self.number, report)
            return report, await self._process.wait()

    async def _start(self, link: SupervisorEnd) -> asyncio.subprocess.Process:
        # -P keeps Python from importing files of the working directory.
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "stagely_rpc.process", str(self.number), str(link.worker_descriptor)),
            env=dict(self._environment),
            pass_fds=[link.worker_descriptor],
            stdin=asyncio.subprocess.DEVNULL,
        )
        link.close_worker_end()
        return process

    def _send(self, number: signal.Signals) -> None:
        if (pid := self.pid) is not None:
            with suppress(ProcessLookupError):
                # The process's own method polls first, which would take the exit code from the waiting task.
                os.kill(pid, number)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
