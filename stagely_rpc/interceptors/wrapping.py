"""Wraps methods of all four kinds: unary and streaming, in both directions.

Every interceptor sees one form of a method: a coroutine function that returns the response or, for a stream, writes the
responses to its context. grpc.aio accepts two forms of streaming servicers: async generators, and coroutines that call
`context.write`. The innermost interceptor converts the first form into the second.
"""

from __future__ import annotations

import inspect
from abc import abstractmethod
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import grpc

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine

    from stagely_rpc.wire.context import Context

    Behavior = Callable[[Any, Context], Coroutine[Any, Any, Any]]

_KINDS = {
    (False, False): "unary_unary",
    (False, True): "unary_stream",
    (True, False): "stream_unary",
    (True, True): "stream_stream",
}


def is_stream(handler: grpc.RpcMethodHandler[Any, Any]) -> bool:
    """Return whether a method streams its requests or its responses."""
    return bool(handler.request_streaming or handler.response_streaming)


def behavior_of(handler: grpc.RpcMethodHandler[Any, Any]) -> Behavior:
    """Return the coroutine function that serves a method of any kind."""
    behavior: Any = getattr(handler, _KINDS[handler.request_streaming, handler.response_streaming])
    return _writing(behavior) if inspect.isasyncgenfunction(behavior) else behavior


def _writing(generate: Callable[[Any, Context], AsyncGenerator[Any, None]]) -> Behavior:
    """Return a coroutine function that writes the responses of an async generator."""

    async def serve(request: object, context: Context) -> None:
        async with aclosing(generate(request, context)) as responses:
            async for response in responses:
                await context.write(response)

    return serve


def with_behavior(
    handler: grpc.RpcMethodHandler[Any, Any], behavior: Behavior, **changes: object
) -> grpc.RpcMethodHandler[Any, Any]:
    """Return a copy of a handler with another coroutine function.

    Args:
        handler: the handler of a method.
        behavior: the coroutine function.
        changes: changes of the handler's other attributes.
    """
    kind = _KINDS[handler.request_streaming, handler.response_streaming]
    replaced: grpc.RpcMethodHandler[Any, Any] = handler._replace(**{kind: behavior}, **changes)  # type: ignore[attr-defined]
    return replaced


class WrappingInterceptor(grpc.aio.ServerInterceptor):
    """An interceptor that wraps each method once, at its first call.

    It wraps with a plain coroutine. A context manager around the call would cost more than its content.
    """

    def __init__(self) -> None:
        self._wrapped: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Return the wrapped handler of a method; None (UNIMPLEMENTED) if there is no such method."""
        method: str = handler_call_details.method
        if method not in self._wrapped:
            handler = await continuation(handler_call_details)
            if handler is None:
                return None
            self._wrapped[method] = self.wrap(method, handler)
        return self._wrapped[method]

    @abstractmethod
    def wrap(self, method: str, handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
        """Return the given handler, wrapped."""
