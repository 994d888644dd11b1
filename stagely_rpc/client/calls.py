"""How a call of an async client is made: with a deadline, a token and whom it acts for; and its errors typed."""

from __future__ import annotations

import inspect
from contextlib import aclosing
from typing import TYPE_CHECKING, TypeVar

from stagely_rpc.client.errors import UnauthenticatedError, typed
from stagely_rpc.client.headers import Deadline, acting_for_header, headers_with

if TYPE_CHECKING:
    import uuid
    from collections.abc import AsyncGenerator

    import grpc

    from stagely_rpc.client.headers import Headers
    from stagely_rpc.client.tokens import Tokens

Request = TypeVar("Request")
Response = TypeVar("Response")


class Calls:
    """What all calls of a client have in common.

    Attributes:
        channel: over which they go.
    """

    def __init__(self, channel: grpc.aio.Channel, tokens: Tokens, timeout: float, headers: Headers = ()) -> None:
        self.channel = channel
        self._tokens = tokens
        self._timeout = timeout
        self._headers = headers

    def acting_for(self, user_id: str | uuid.UUID) -> Calls:
        """Return the same calls, made for a user."""
        return Calls(self.channel, self._tokens, self._timeout, (acting_for_header(user_id),))

    async def unary(
        self,
        rpc: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        timeout: float | None,  # noqa: ASYNC109 - a deadline that the service is told
    ) -> Response:
        """Make a call with one response.

        Raises:
            StagelyError: it failed.
        """
        deadline = Deadline(self._timeout if timeout is None else timeout)
        token = await self._token()
        try:
            return await self._attempt(rpc, request, token, deadline)
        except UnauthenticatedError:
            if not self._tokens.refused(token):
                raise
        return await self._attempt(rpc, request, await self._token(), deadline)

    async def _attempt(
        self,
        rpc: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        token: str,
        deadline: Deadline,
    ) -> Response:
        with typed():
            return await rpc(request, timeout=deadline.seconds_left(), metadata=headers_with(token, self._headers))

    async def stream(
        self,
        rpc: grpc.aio.UnaryStreamMultiCallable[Request, Response],
        request: Request,
        timeout: float | None,  # noqa: ASYNC109 - a deadline that the service is told
    ) -> AsyncGenerator[Response, None]:
        """Make a call with a stream of responses. It lasts as long as it is read, unless it is given a deadline.

        Raises:
            StagelyError: it failed.
        """
        token = await self._token()
        try:
            async with aclosing(self._streamed(rpc, request, token, timeout)) as responses:
                async for response in responses:
                    yield response
        except UnauthenticatedError:  # comes before the first response
            if not self._tokens.refused(token):
                raise
        else:
            return
        async with aclosing(self._streamed(rpc, request, await self._token(), timeout)) as responses:
            async for response in responses:
                yield response

    async def _streamed(
        self,
        rpc: grpc.aio.UnaryStreamMultiCallable[Request, Response],
        request: Request,
        token: str,
        timeout: float | None,  # noqa: ASYNC109 - a deadline that the service is told
    ) -> AsyncGenerator[Response, None]:
        call = rpc(request, timeout=timeout, metadata=headers_with(token, self._headers))
        try:
            with typed():
                async for response in call:
                    yield response
        finally:
            call.cancel()

    async def _token(self) -> str:
        token = self._tokens.get()
        return await token if inspect.isawaitable(token) else token
