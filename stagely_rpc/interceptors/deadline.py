"""A time limit for calls without a deadline, so that no call keeps its connection and its locks forever."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from stagely_rpc.errors import DeadlineExceededError
from stagely_rpc.interceptors.wrapping import WrappingInterceptor, behavior_of, is_stream, with_behavior

if TYPE_CHECKING:
    import grpc

    from stagely_rpc.wire.context import Context


class DeadlineInterceptor(WrappingInterceptor):
    """Ends unary calls without a deadline at a time limit. gRPC itself cancels calls at their own deadline.

    Either way the call's task is cancelled, and so is the statement in PostgreSQL that it waits for.
    """

    def __init__(self, default_seconds: float) -> None:
        """Take the time limit of a call without a deadline."""
        super().__init__()
        self._default_seconds = default_seconds

    def wrap(self, method: str, handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
        """Limit unary methods. Streams are not limited."""
        del method
        if is_stream(handler):
            return handler
        behavior, seconds = behavior_of(handler), self._default_seconds

        async def serve(request: object, context: Context) -> object:
            if context.time_remaining() is not None:
                return await behavior(request, context)
            try:
                async with asyncio.timeout(seconds) as limit:
                    return await behavior(request, context)
            except TimeoutError:
                if not limit.expired():
                    raise
                message = f"the call had no deadline, and exceeded the limit of {seconds:g} s for such calls"
                raise DeadlineExceededError(message, reason="DEFAULT_DEADLINE_EXCEEDED") from None

        return with_behavior(handler, serve)
