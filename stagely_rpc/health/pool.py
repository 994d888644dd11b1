"""The pool probe. A fully used pool is healthy; a stalled pool is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely_rpc.health.causes import Cause, Probe, UnhealthyError

if TYPE_CHECKING:
    from collections.abc import Callable

STALL_SECONDS = 2.0


def pool_probe(stalled_seconds: Callable[[], float]) -> Probe:
    """Return the probe of a pool.

    Args:
        stalled_seconds: returns how long calls have waited for a connection while none was returned.
    """

    async def probe() -> None:
        if stalled_seconds() >= STALL_SECONDS:
            reason = f"calls wait for connections, and none was returned for {STALL_SECONDS:g} s"
            raise UnhealthyError(Cause.POOL_EXHAUSTED, reason)

    return probe
