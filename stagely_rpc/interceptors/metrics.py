"""Counts every call: while it is in progress, and by how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagely_rpc.interceptors.observer import ObservingInterceptor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import grpc

    from stagely_rpc.telemetry.metrics.metrics import CallMetrics, Metrics


class MetricsInterceptor(ObservingInterceptor):
    """Counts calls by method and code; those of unknown methods, which anyone may name, as one."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__()
        self._metrics = metrics

    def observer(self, method: str) -> CallMetrics:
        """Return what counts the calls of a method."""
        return self._metrics.calls(method)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Return the counting handler of a method; count the call here if there is no such method."""
        handler = await super().intercept_service(continuation, handler_call_details)
        if handler is None:
            self._metrics.count_unknown_method()
        return handler
