"""How many calls and streams may be open at a time. More are refused before anything is done for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagely_rpc.errors import OverloadedError
from stagely_rpc.interceptors.wrapping import WrappingInterceptor, behavior_of, is_stream, with_behavior

if TYPE_CHECKING:
    from collections.abc import Collection

    import grpc

    from stagely_rpc.wire.context import Context

MAX_OTHER_STREAMS = 1000
"""Limit of the open streams of health and reflection together."""


class Capacity:
    """A limited number of calls at a time.

    Attributes:
        in_use: how many calls there are.
    """

    __slots__ = ("_limit", "_reason", "_what", "in_use")

    def __init__(self, limit: int, what: str, reason: str) -> None:
        """Take the limit.

        Args:
            limit: how many calls may be open.
            what: the calls, for the message of a refusal.
            reason: of a refusal.
        """
        self._limit = limit
        self._what = what
        self._reason = reason
        self.in_use = 0

    def take(self) -> None:
        """Begin a call, which must `give_back` when it ends.

        Raises:
            OverloadedError: the limit is reached.
        """
        if self.in_use >= self._limit:
            raise OverloadedError(f"too many {self._what}: the limit is {self._limit}", reason=self._reason)
        self.in_use += 1

    def give_back(self) -> None:
        """End a call."""
        self.in_use -= 1


class ConcurrencyInterceptor(WrappingInterceptor):
    """Refuses calls of the contract's methods beyond a limit, and streams beyond another.

    A stream stays open for as long as its caller likes, so it takes nothing from unary calls. Health and reflection
    take nothing from either: their streams have a limit of their own, and their unary calls have none, because a busy
    server is still alive.
    """

    def __init__(self, calls: int, streams: int, methods: Collection[str]) -> None:
        """Take the limits.

        Args:
            calls: how many unary calls may be in progress.
            streams: how many streams, of any kind, may be open.
            methods: the full names of the contract's.
        """
        super().__init__()
        self._calls = Capacity(calls, "calls in progress", "TOO_MANY_CALLS")
        self._streams = Capacity(streams, "open streams", "TOO_MANY_STREAMS")
        self._other_streams = Capacity(MAX_OTHER_STREAMS, "open streams of this service", "TOO_MANY_STREAMS")
        self._methods = frozenset(methods)

    @property
    def calls(self) -> int:
        """How many unary calls of the contract's methods are in progress."""
        return self._calls.in_use

    @property
    def streams(self) -> int:
        """How many streams of the contract's methods are open."""
        return self._streams.in_use

    def wrap(self, method: str, handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
        """Count the calls of the method, and refuse those beyond the limit."""
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
