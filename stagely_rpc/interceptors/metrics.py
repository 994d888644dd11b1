"""Metrics of every call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagely_rpc.interceptors.observer import ObservingInterceptor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import grpc

    from stagely_rpc.telemetry.metrics.metrics import CallMetrics, Metrics


class MetricsInterceptor(ObservingInterceptor):
    """Counts calls by method and code. All unknown methods count as one, because callers choose their names."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__()
        self._metrics = metrics

    def observer(self, method: str) -> CallMetrics:
        """Return the observer that counts the calls of a method."""
        return self._metrics.calls(method)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Return the counting handler of a method. If the method is unknown, count the call here."""
        handler = await super().intercept_service(continuation, handler_call_details)
        if handler is None:
            self._metrics.count_unknown_method()
        return handler
