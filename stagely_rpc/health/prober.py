"""The prober: looks every so often, and turns the health when a second look confirms the first."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from stagely_rpc.health.causes import Cause, UnhealthyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagely_rpc.health.causes import Probe
    from stagely_rpc.health.health_servicer import HealthServicer

AGAIN_SECONDS = 0.25
"""How soon the second look follows a first that saw something else than is told."""

_log = structlog.get_logger(__name__)


class Prober:
    """Turns the health, off and on, when two looks in a row see something else than is told. The first decides alone.

    One lost packet takes no replica out of a balancer, and a database that comes and goes does not flap. With the
    settings' defaults, what lasts is told within 5 s:

    - off, at worst: the database goes silent right after a look, and both looks that see it wait for their whole time,
      interval + timeout + again + timeout = 1 + 1 + 0.25 + 1 = 3.25 s. A pool that stands still is known to do so after
      2 s, and its looks are answered at once: 2 + 1 + 0.25 s.
    - on, at worst: the database is back right after the probe began to connect, and hears nothing of that attempt,
      connect timeout + interval + again = 2 + 1 + 0.25 = 3.25 s.
    """

    def __init__(
        self,
        probe: Probe,
        servicer: HealthServicer,
        *,
        interval_seconds: float,
        timeout_seconds: float,
        on_change: Callable[[Cause | None], None] = lambda _: None,
    ) -> None:
        """Take what looks, and what is told.

        Args:
            probe: looks once.
            servicer: whose health is turned.
            interval_seconds: from the end of a look to the next one.
            timeout_seconds: how long a look may take.
            on_change: told what keeps the service from serving, or None, whenever that changes.
        """
        self._probe = probe
        self._servicer = servicer
        self._interval_seconds = interval_seconds
        self._timeout_seconds = timeout_seconds
        self._on_change = on_change
        self._has_looked = False
        self._cause: Cause | None = None
        self._is_in_doubt = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look once now, and from then on in the background."""
        await self.look()
        self._task = asyncio.create_task(self._run(), name="health-prober")

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def look(self) -> None:
        """Look once, and turn the health if that is due."""
        failure = await self._failure()
        cause = None if failure is None else failure.cause
        is_told = self._has_looked and cause is self._cause
        if is_told or (self._has_looked and not self._is_in_doubt):
            self._is_in_doubt = not is_told
            return
        self._is_in_doubt = False
        await self._tell(cause, failure)

    async def _tell(self, cause: Cause | None, failure: UnhealthyError | None) -> None:
        self._has_looked, self._cause = True, cause
        await self._servicer.set_ready(ready=cause is None)
        self._on_change(cause)
        if failure is None:
            _log.info("serving")
        else:
            _log.error("not serving", cause=cause, reason=str(failure))

    async def _failure(self) -> UnhealthyError | None:
        looking = asyncio.ensure_future(self._probe())
        try:
            await asyncio.wait({looking}, timeout=self._timeout_seconds)
            if not looking.done():
                return UnhealthyError(
                    Cause.DATABASE_SILENT, f"the database did not answer within {self._timeout_seconds:g} s"
                )
        finally:
            # There is never more than one that hangs.
            looking.cancel()
            await asyncio.wait({looking}, timeout=self._timeout_seconds)
        error = looking.exception()
        if error is None or isinstance(error, UnhealthyError):
            return error
        return UnhealthyError(Cause.PROBE_FAILED, f"the probe failed: {type(error).__name__}")

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._pause_seconds())
            await self.look()

    def _pause_seconds(self) -> float:
        return min(self._interval_seconds, AGAIN_SECONDS) if self._is_in_doubt else self._interval_seconds
