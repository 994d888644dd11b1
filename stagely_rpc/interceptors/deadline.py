"""A deadline for calls that have none, so that no call holds its connection and its locks for ever."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from stagely_rpc.errors import DeadlineExceededError
from stagely_rpc.interceptors.wrapping import WrappingInterceptor, behavior_of, is_stream, with_behavior

if TYPE_CHECKING:
    import grpc

    from stagely_rpc.wire.context import Context


class DeadlineInterceptor(WrappingInterceptor):
    """Ends calls that have taken too long. Those that have a deadline of their own are cancelled by gRPC at its end.

    Either way the call's task is cancelled, and with it, in PostgreSQL, the statement that it waits for.
    """

    def __init__(self, default_seconds: float) -> None:
        """Take how long a call without a deadline may take."""
        super().__init__()
        self._default_seconds = default_seconds

    def wrap(self, method: str, handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
        """Leave streams as they are: they last as long as their callers want."""
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
                message = f"the call had no deadline, and took longer than the {seconds:g} s that it may take then"
                raise DeadlineExceededError(message, reason="DEFAULT_DEADLINE_EXCEEDED") from None

        return with_behavior(handler, serve)
