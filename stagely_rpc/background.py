"""Periodic background jobs. They continue after failures."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from stagely_rpc.errors import StagelyError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Work = Callable[[], Awaitable[None]]

STOP_SECONDS = 2.0
"""The time limit for stopping."""

_log = structlog.get_logger(__name__)


@dataclass
class Periodic:
    """A periodic background job. A failure is logged once, until a round succeeds.

    Attributes:
        name: the name of the job in the log.
        interval_seconds: the time from the end of a round to the next one.
        work: runs one round.
        finish: runs once more before the job stops, if given.
    """

    name: str
    interval_seconds: float
    work: Work
    finish: Work | None = None
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None
    _is_failing: bool = False

    def start(self) -> None:
        """Start the task."""
        self._task = asyncio.create_task(self._run(), name=self.name)

    async def stop(self) -> None:
        """Finish the current round and run the last one. If both take too long, cancel the task."""
        if self._task is None:
            return
        self._stopping.set()
        _, late = await asyncio.wait({self._task}, timeout=STOP_SECONDS)
        if late:
            self._task.cancel()
            # The wait is limited, because a driver may hang with the database despite a cancellation.
            await asyncio.wait(late, timeout=STOP_SECONDS)

    async def _run(self) -> None:
        while not self._stopping.is_set():
            await self._attempt(self.work)
            await self._pause()
        if self.finish is not None:
            await self._attempt(self.finish)

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self.interval_seconds):
                await self._stopping.wait()

    async def _attempt(self, work: Work) -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - the next round may succeed
            self._note_failure(error)
        else:
            if self._is_failing:
                _log.info("background job recovered", job=self.name)
            self._is_failing = False

    def _note_failure(self, error: Exception) -> None:
        if not self._is_failing:
            unexpected = not isinstance(error, StagelyError)
            _log.error("background job failed", job=self.name, reason=str(error), exc_info=unexpected)
        self._is_failing = True
