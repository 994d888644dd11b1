"""Calls that lost a race are run again, so that their callers need not."""

from __future__ import annotations

import asyncio
import inspect
import random
from typing import TYPE_CHECKING, Any

from stagely_rpc.errors import AbortedError
from stagely_rpc.interceptors.wrapping import WrappingInterceptor, behavior_of, with_behavior

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    import grpc

    from stagely_rpc.wire.context import Context

MAX_RETRIES = 3

_MAX_PAUSE_SECONDS = 0.01


class RerunInterceptor(WrappingInterceptor):
    """Runs a call again whose transaction was rolled back because another one was first.

    That is a serialization failure, a deadlock, a lock that was not to be had, or a row that someone else added while
    this call was about to. The pauses are random, lest those who met once meet again.
    """

    def __init__(self, methods: Collection[str], note_retry: Callable[[str], None] = lambda _: None) -> None:
        """Take the methods.

        Args:
            methods: full names of those that change something: no others take part in races.
            note_retry: told the method of each call that is run again.
        """
        super().__init__()
        self._methods = frozenset(methods)
        self._note_retry = note_retry

    def wrap(self, method: str, handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
        """Leave streams as they are too: what they have sent can't be taken back."""
        behavior = behavior_of(handler)
        if method not in self._methods or handler.request_streaming or inspect.isasyncgenfunction(behavior):
            return handler

        async def answer(request: Any, context: Context) -> object:  # noqa: ANN401 - any request
            for attempt in range(MAX_RETRIES):
                try:
                    return await behavior(request, context)
                except AbortedError as lost:
                    if not lost.may_run_again:
                        raise
                self._note_retry(method)
                await asyncio.sleep(random.uniform(0, _MAX_PAUSE_SECONDS * 2**attempt))  # noqa: S311 - no secret
            return await behavior(request, context)

        return with_behavior(handler, answer)
