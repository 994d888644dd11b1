"""Work that is done again and again in the background, and goes on whatever happens to the database."""

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
"""How long the last round may take."""

_log = structlog.get_logger(__name__)


@dataclass
class Periodic:
    """A background task that does its work every so often. What fails is logged once, until it works again.

    Attributes:
        name: of the work, for the log.
        interval_seconds: from the end of a round to the next one.
        work: a round.
        finish: the last round, when it is to stop, if there is one.
    """

    name: str
    interval_seconds: float
    work: Work
    finish: Work | None = None
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None
    _is_failing: bool = False

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name=self.name)

    async def stop(self) -> None:
        """End the round under way and do the last one, if both can be done in time."""
        if self._task is None:
            return
        self._stopping.set()
        _, late = await asyncio.wait({self._task}, timeout=STOP_SECONDS)
        if late:
            self._task.cancel()
            # Not longer: a driver that is cancelled while the database hangs may hang there too.
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
        except Exception as error:  # noqa: BLE001 - whatever it is, the next round may do better
            self._note_failure(error)
        else:
            if self._is_failing:
                _log.info("background work goes on", work=self.name)
            self._is_failing = False

    def _note_failure(self, error: Exception) -> None:
        if not self._is_failing:
            unexpected = not isinstance(error, StagelyError)
            _log.error("background work fails", work=self.name, reason=str(error), exc_info=unexpected)
        self._is_failing = True
