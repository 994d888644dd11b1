"""The prober: probes periodically, and changes the health when a second probe confirms the first."""

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

RECHECK_SECONDS = 0.25
"""The delay before the second probe, when the first contradicts the reported health."""

_log = structlog.get_logger(__name__)


class Prober:
    """Changes the health when two probes in a row contradict it. The very first probe decides alone.

    A single lost packet does not take a replica out of a load balancer, and an intermittent database does not make the
    health flap. With the default settings, a lasting change is reported within 5 s:

    - off, worst case: the database goes silent right after a probe, and both following probes time out:
      interval + timeout + recheck + timeout = 1 + 1 + 0.25 + 1 = 3.25 s. A stalled pool counts as
      stalled after 2 s, and its probes return at once: 2 + 1 + 0.25 s.
    - on, worst case: the database returns right after the probe started to connect, and that attempt is lost:
      connect timeout + interval + recheck = 2 + 1 + 0.25 = 3.25 s.
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
        """Take the probe and the servicer.

        Args:
            probe: the check to run.
            servicer: reports the health.
            interval_seconds: the time from the end of a probe to the next one.
            timeout_seconds: the limit of a probe.
            on_change: called on each change, with the cause of ill health, or None if the service is healthy.
        """
        self._probe = probe
        self._servicer = servicer
        self._interval_seconds = interval_seconds
        self._timeout_seconds = timeout_seconds
        self._on_change = on_change
        self._has_reported = False
        self._cause: Cause | None = None
        self._is_in_doubt = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Probe once now, then periodically in the background."""
        await self.check()
        self._task = asyncio.create_task(self._run(), name="health-prober")

    async def stop(self) -> None:
        """Stop probing."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def check(self) -> None:
        """Probe once, and change the health if a second probe confirms the change."""
        failure = await self._failure()
        cause = None if failure is None else failure.cause
        is_unchanged = self._has_reported and cause is self._cause
        if is_unchanged or (self._has_reported and not self._is_in_doubt):
            self._is_in_doubt = not is_unchanged
            return
        self._is_in_doubt = False
        await self._report(cause, failure)

    async def _report(self, cause: Cause | None, failure: UnhealthyError | None) -> None:
        self._has_reported, self._cause = True, cause
        await self._servicer.set_ready(ready=cause is None)
        self._on_change(cause)
        if failure is None:
            _log.info("serving")
        else:
            _log.error("not serving", cause=cause, reason=str(failure))

    async def _failure(self) -> UnhealthyError | None:
        probing = asyncio.ensure_future(self._probe())
        try:
            await asyncio.wait({probing}, timeout=self._timeout_seconds)
            if not probing.done():
                return UnhealthyError(
                    Cause.DATABASE_SILENT, f"the database did not answer within {self._timeout_seconds:g} s"
                )
        finally:
            # At most one probe hangs at a time.
            probing.cancel()
            await asyncio.wait({probing}, timeout=self._timeout_seconds)
        error = probing.exception()
        if error is None or isinstance(error, UnhealthyError):
            return error
        return UnhealthyError(Cause.PROBE_FAILED, f"the probe failed: {type(error).__name__}")

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._pause_seconds())
            await self.check()

    def _pause_seconds(self) -> float:
        return min(self._interval_seconds, RECHECK_SECONDS) if self._is_in_doubt else self._interval_seconds
