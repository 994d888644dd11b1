"""Ends streams when the server drains, with the token at which the caller can resume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from stagely_rpc.errors import DrainingError
from stagely_rpc.interceptors.interruption import run_until
from stagely_rpc.interceptors.stream_context import with_messages
from stagely_rpc.interceptors.wrapping import WrappingInterceptor, behavior_of, is_stream, with_behavior

if TYPE_CHECKING:
    from collections.abc import Collection

    import grpc

    from stagely_rpc.draining import Draining
    from stagely_rpc.wire.context import Context

RESUME_TOKEN = "resume_token"  # noqa: S105 - the name of a field
"""The field of a response with the token that resumes its stream."""


class DrainingInterceptor(WrappingInterceptor):
    """Ends the contract's streams with UNAVAILABLE when the server drains. Unary calls run to their end."""

    def __init__(self, draining: Draining, methods: Collection[str]) -> None:
        """Take the event and the methods.

        Args:
            draining: is set when the server drains.
            methods: the full names of the contract's methods.
        """
        super().__init__()
        self._draining = draining
        self._methods = frozenset(methods)

    def wrap(self, method: str, handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
        """End each stream of the method when the server drains. Unary methods and other services are not wrapped."""
        if method not in self._methods or not is_stream(handler):
            return handler
        behavior = behavior_of(handler)

        async def serve(request: object, context: Context) -> object:
            if self._draining.has_begun:
                raise DrainingError
            responses = _Responses(context)
            followed = with_messages(context, write=responses.write)
            return await run_until(behavior(request, followed), self._end(responses))

        return with_behavior(handler, serve)

    async def _end(self, responses: _Responses) -> NoReturn:
        await self._draining.wait()
        raise DrainingError(responses.resume_token)


class _Responses:
    """The responses of a stream.

    Attributes:
        resume_token: the token of the last response that was sent; empty if no response had one.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self.resume_token = ""

    async def write(self, response: object) -> None:
        await self._context.write(response)
        # After the write: a response that is cut off is sent again after resuming, and not lost.
        self.resume_token = getattr(response, RESUME_TOKEN, "") or self.resume_token
