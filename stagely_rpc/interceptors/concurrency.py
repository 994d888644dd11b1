"""Limits of concurrent calls and streams. Calls beyond a limit are refused before any work is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagely_rpc.errors import OverloadedError
from stagely_rpc.interceptors.wrapping import WrappingInterceptor, behavior_of, is_stream, with_behavior

if TYPE_CHECKING:
    from collections.abc import Collection

    import grpc

    from stagely_rpc.wire.context import Context

MAX_OTHER_STREAMS = 1000
"""The limit of open streams of health and reflection together."""


class Capacity:
    """A limited number of calls at a time.

    Attributes:
        in_use: the number of calls now.
    """

    __slots__ = ("_limit", "_reason", "_what", "in_use")

    def __init__(self, limit: int, what: str, reason: str) -> None:
        """Take the limit.

        Args:
            limit: the maximum number of open calls.
            what: what the calls are called in error messages.
            reason: the reason in errors.
        """
        self._limit = limit
        self._what = what
        self._reason = reason
        self.in_use = 0

    def take(self) -> None:
        """Count a call. Its end must call `give_back`.

        Raises:
            OverloadedError: the limit is reached.
        """
        if self.in_use >= self._limit:
            raise OverloadedError(f"too many {self._what}: the limit is {self._limit}", reason=self._reason)
        self.in_use += 1

    def give_back(self) -> None:
        """Stop counting a call."""
        self.in_use -= 1


class ConcurrencyInterceptor(WrappingInterceptor):
    """Refuses calls of the contract's methods beyond a limit, and streams beyond another.

    Streams have their own limit, because a stream can stay open for any time. Health and reflection count against
    neither limit: their streams have a separate limit, and their unary calls have none, because a busy server is alive.
    """

    def __init__(self, calls: int, streams: int, methods: Collection[str]) -> None:
        """Take the limits.

        Args:
            calls: the maximum number of unary calls in progress.
            streams: the maximum number of open streams of any kind.
            methods: the full names of the contract's methods.
        """
        super().__init__()
        self._calls = Capacity(calls, "calls in progress", "TOO_MANY_CALLS")
        self._streams = Capacity(streams, "open streams", "TOO_MANY_STREAMS")
        self._other_streams = Capacity(MAX_OTHER_STREAMS, "open streams of this service", "TOO_MANY_STREAMS")
        self._methods = frozenset(methods)

    @property
    def calls(self) -> int:
        """The number of unary calls of the contract's methods in progress."""
        return self._calls.in_use

    @property
    def streams(self) -> int:
        """The number of open streams of the contract's methods."""
        return self._streams.in_use

    def wrap(self, method: str, handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
        """Count the calls of the method, and refuse calls beyond the limit."""
        if method in self._methods:
            return _limited(handler, self._streams if is_stream(handler) else self._calls)
        return _limited(handler, self._other_streams) if is_stream(handler) else handler


def _limited(handler: grpc.RpcMethodHandler[Any, Any], capacity: Capacity) -> grpc.RpcMethodHandler[Any, Any]:
    behavior = behavior_of(handler)

    async def serve(request: object, context: Context) -> object:
        capacity.take()
        try:
            return await behavior(request, context)
        finally:
            capacity.give_back()

    return with_behavior(handler, serve)
