"""Runs calls again that lost a race, so that their callers need not retry."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

from stagely_rpc.errors import AbortedError
from stagely_rpc.interceptors.stream_context import with_messages
from stagely_rpc.interceptors.wrapping import WrappingInterceptor, behavior_of, is_stream, with_behavior

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection

    import grpc

    from stagely_rpc.interceptors.wrapping import Behavior
    from stagely_rpc.wire.context import Context

MAX_RETRIES = 3

_MAX_PAUSE_SECONDS = 0.01


class RerunInterceptor(WrappingInterceptor):
    """Runs a call again if its transaction was rolled back because of a concurrent one.

    The causes are a serialization failure, a deadlock, an unavailable lock, or a row that another call inserted first.
    The pauses are random, so that the calls do not collide again. A stream is run again only if no message was read or
    written yet: a consumed request is gone, and a sent response can't be taken back.
    """

    def __init__(self, methods: Collection[str], note_retry: Callable[[str], None] = lambda _: None) -> None:
        """Take the methods.

        Args:
            methods: the full names of the methods that write. Other methods do not lose races.
            note_retry: called with the method of each call that is run again.
        """
        super().__init__()
        self._methods = frozenset(methods)
        self._note_retry = note_retry

    def wrap(self, method: str, handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
        """Wrap methods that write."""
        if method not in self._methods:
            return handler
        serve = self._stream(method, handler) if is_stream(handler) else self._unary(method, handler)
        return with_behavior(handler, serve)

    def _unary(self, method: str, handler: grpc.RpcMethodHandler[Any, Any]) -> Behavior:
        behavior = behavior_of(handler)

        async def serve(request: object, context: Context) -> object:
            return await self._run(method, lambda: behavior(request, context))

        return serve

    def _stream(self, method: str, handler: grpc.RpcMethodHandler[Any, Any]) -> Behavior:
        behavior, streams_requests = behavior_of(handler), handler.request_streaming

        async def serve(request: Any, context: Context) -> object:  # noqa: ANN401 - one request, or a stream of them
            messages = _Messages(context)
            watched = with_messages(context, read=messages.read, write=messages.write)
            return await self._run(
                method, lambda: behavior(messages.each(request) if streams_requests else request, watched), messages
            )

        return serve

    async def _run(
        self, method: str, attempt: Callable[[], Awaitable[object]], messages: _Messages | None = None
    ) -> object:
        for number in range(MAX_RETRIES):
            try:
                return await attempt()
            except AbortedError as lost:
                if not lost.may_run_again or (messages is not None and messages.have_passed):
                    raise
            self._note_retry(method)
            await asyncio.sleep(random.uniform(0, _MAX_PAUSE_SECONDS * 2**number))  # noqa: S311 - no secret
        return await attempt()


class _Messages:
    """The messages of a stream.

    Attributes:
        have_passed: whether a message was read, awaited or written.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self.have_passed = False

    async def read(self) -> object:
        self.have_passed = True
        return await self._context.read()

    async def write(self, response: object) -> None:
        self.have_passed = True
        await self._context.write(response)

    async def each(self, requests: AsyncIterator[object]) -> AsyncIterator[object]:
        self.have_passed = True
        async for request in requests:
            yield request
