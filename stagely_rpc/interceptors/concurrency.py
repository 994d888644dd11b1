"""How many calls may be under way: more are refused at once, before anything is done for them."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from stagely_rpc.errors import OverloadedError
from stagely_rpc.interceptors.wrapping import WrappingInterceptor, behavior_of, wrapped

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    import grpc

    from stagely_rpc.wire.context import Context

MAX_OTHER_STREAMS = 1000
"""Of health and reflection, at a time."""


class Capacity:
    """Room for so many calls at a time.

    Attributes:
        limit: how many.
        under_way: how many there are now.
    """

    __slots__ = ("limit", "under_way")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.under_way = 0

    def take(self) -> None:
        """Begin a call, which must `give_back` when it ends.

        Raises:
            OverloadedError: there is no room.
        """
        if self.under_way >= self.limit:
            raise OverloadedError(f"too many calls are under way: the limit is {self.limit}", reason="TOO_MANY_CALLS")
        self.under_way += 1

    def give_back(self) -> None:
        """End a call."""
        self.under_way -= 1


class ConcurrencyInterceptor(WrappingInterceptor):
    """Refuses calls of the contract's methods while too many are under way.

    Health and reflection take nothing from them. Their streams, which stay open for as long as callers like, have a
    bound of their own; their unary calls wait for nothing, and have none: a busy server is still alive.
    """

    def __init__(self, limit: int, methods: Collection[str]) -> None:
        """Take what is limited.

        Args:
            limit: of the calls under way.
            methods: the full names of the contract's.
        """
        super().__init__()
        self._calls = Capacity(limit)
        self._other_streams = Capacity(MAX_OTHER_STREAMS)
        self._methods = frozenset(methods)

    @property
    def under_way(self) -> int:
        """How many calls of the contract's methods are under way."""
        return self._calls.under_way

    def wrap(self, method: str, handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
        """Count the calls of the method, and refuse those that are too many."""
        if method in self._methods:
            return _limited(handler, self._calls)
        return _limited(handler, self._other_streams) if handler.response_streaming else handler


def _limited(handler: grpc.RpcMethodHandler[Any, Any], capacity: Capacity) -> grpc.RpcMethodHandler[Any, Any]:
    behavior = behavior_of(handler)

    async def answer(request: object, context: Context) -> object:
        capacity.take()
        try:
            return await behavior(request, context)
        finally:
            capacity.give_back()

    async def stream(request: object, context: Context) -> AsyncIterator[object]:
        capacity.take()
        try:
            async with aclosing(behavior(request, context)) as responses:
                async for response in responses:
                    yield response
        finally:
            capacity.give_back()

    return wrapped(handler, answer=answer, stream=stream)
