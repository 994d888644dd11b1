"""How an interceptor gets around a method of any of the four call kinds."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import grpc

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Behavior = Callable[[Any, Any], Any]

_KINDS = {
    (False, False): "unary_unary",
    (False, True): "unary_stream",
    (True, False): "stream_unary",
    (True, True): "stream_stream",
}


def behavior_of(handler: grpc.RpcMethodHandler[Any, Any]) -> Behavior:
    """Return the function that serves the method, whichever of the four kinds it is of."""
    behavior: Behavior = getattr(handler, _KINDS[handler.request_streaming, handler.response_streaming])
    return behavior


def with_behavior(
    handler: grpc.RpcMethodHandler[Any, Any], behavior: Behavior, **changes: object
) -> grpc.RpcMethodHandler[Any, Any]:
    """Return the handler with another function to serve it."""
    kind = _KINDS[handler.request_streaming, handler.response_streaming]
    replaced: grpc.RpcMethodHandler[Any, Any] = handler._replace(**{kind: behavior}, **changes)  # type: ignore[attr-defined]
    return replaced


def wrapped(
    handler: grpc.RpcMethodHandler[Any, Any], *, answer: Behavior, stream: Behavior, **changes: object
) -> grpc.RpcMethodHandler[Any, Any]:
    """Return the handler with what serves it from now on.

    Args:
        handler: of the method.
        answer: a coroutine function, for a method with one response.
        stream: an asynchronous generator, for a method with many.
        changes: of the handler's other attributes.
    """
    streams = inspect.isasyncgenfunction(behavior_of(handler))
    return with_behavior(handler, stream if streams else answer, **changes)


class WrappingInterceptor(grpc.aio.ServerInterceptor):
    """An interceptor that wraps each method once, at its first call, and not anew for every call.

    Each wraps with plain coroutines of its own: a context manager around the call would cost more than what is in it.
    """

    def __init__(self) -> None:
        self._wrapped: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Return the wrapped handler of a method; None, that is UNIMPLEMENTED, if there is no such method."""
        method: str = handler_call_details.method
        if method not in self._wrapped:
            handler = await continuation(handler_call_details)
            if handler is None:
                return None
            self._wrapped[method] = self.wrap(method, handler)
        return self._wrapped[method]

    @abstractmethod
    def wrap(self, method: str, handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
        """Return a handler that does what this interceptor is for, around the given one."""
