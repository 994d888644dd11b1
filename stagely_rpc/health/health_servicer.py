"""grpc.health.v1 for callers, load balancers and Kubernetes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from grpc_health.v1 import health, health_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from stagely_rpc.wire.context import Context

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

LIVENESS = "liveness"
"""The name that is SERVING while the process can answer, whatever the state of the database."""


class HealthServicer(health.aio.HealthServicer):  # type: ignore[misc]
    """grpc.health.v1 with List, and with Watch streams that end when the server stops.

    Every name starts NOT_SERVING; liveness is SERVING.
    """

    def __init__(self, services: Iterable[str]) -> None:
        super().__init__()
        self._server_status = {"": NOT_SERVING, **dict.fromkeys(services, NOT_SERVING), LIVENESS: SERVING}
        self._changed = asyncio.Event()

    async def List(self, request: health_pb2.HealthListRequest, context: Context) -> health_pb2.HealthListResponse:
        """Return the status of every name."""
        del request, context
        statuses = {name: health_pb2.HealthCheckResponse(status=status) for name, status in self._server_status.items()}
        return health_pb2.HealthListResponse(statuses=statuses)

    async def Watch(
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """Yield the status of a name now and after each change."""
        del context
        last = None
        while True:
            # All three are read before the yield: a stop that comes while the status is sent must be sent too.
            changed, is_last = self._changed, self._gracefully_shutting_down
            status = self._server_status.get(request.service, health_pb2.HealthCheckResponse.SERVICE_UNKNOWN)
            if status != last:
                yield health_pb2.HealthCheckResponse(status=status)
            last = status
            if is_last:
                return
            await changed.wait()

    async def set_ready(self, *, ready: bool) -> None:
        """Set the status of every name except liveness."""
        for name in [name for name in self._server_status if name != LIVENESS]:
            await self.set(name, SERVING if ready else NOT_SERVING)
        self._wake_watchers()

    async def enter_graceful_shutdown(self) -> None:
        """Set every name except liveness to NOT_SERVING for good, and end the Watch streams after they sent it.

        A draining process is alive: a restart would cut off its calls.
        """
        await self.set_ready(ready=False)
        self._gracefully_shutting_down = True
        self._wake_watchers()

    def _wake_watchers(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
