"""Calls of every kind of an async client, with deadline, token and acting user."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, TypeVar

from google.protobuf.message import Message

from stagely_rpc.client.errors import StagelyError, UnauthenticatedError, typed
from stagely_rpc.client.headers import Deadline, acting_for_header, headers_with
from stagely_rpc.client.resuming import Resumption
from stagely_rpc.client.sending import sending

if TYPE_CHECKING:
    import uuid
    from collections.abc import AsyncGenerator, Iterator

    import grpc

    from stagely_rpc.client.headers import Headers
    from stagely_rpc.client.resuming import Cursor, Resumable
    from stagely_rpc.client.sending import Requests
    from stagely_rpc.client.tokens import Tokens

Request = TypeVar("Request")
Response = TypeVar("Response")
ResponseMessage = TypeVar("ResponseMessage", bound=Message)


class Calls:
    """Makes the calls of a client.

    Attributes:
        channel: the channel.
    """

    def __init__(self, channel: grpc.aio.Channel, tokens: Tokens, timeout: float, headers: Headers = ()) -> None:
        self.channel = channel
        self._tokens = tokens
        self._timeout = timeout
        self._headers = headers

    def acting_for(self, user_id: str | uuid.UUID) -> Calls:
        """Return a copy that makes calls for a user."""
        return Calls(self.channel, self._tokens, self._timeout, (acting_for_header(user_id),))

    async def unary(
        self,
        rpc: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        timeout: float | None,  # noqa: ASYNC109 - a deadline that is sent along
    ) -> Response:
        """Make a call with one response.

        Raises:
            StagelyError: the call failed.
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
        timeout: float | None,  # noqa: ASYNC109 - a deadline that is sent along
    ) -> AsyncGenerator[Response, None]:
        """Make a call with a stream of responses. Without a timeout, it has no deadline.

        Raises:
            StagelyError: the call failed.
        """
        token, has_begun = await self._token(), False
        try:
            async with aclosing(self._streamed(rpc, request, token, timeout)) as responses:
                async for response in responses:
                    has_begun = True
                    yield response
        except UnauthenticatedError:
            if not self._tokens.refused(token) or has_begun:
                raise
        else:
            return
        async with aclosing(self._streamed(rpc, request, await self._token(), timeout)) as responses:
            async for response in responses:
                yield response

    async def resumable_stream(
        self,
        rpc: grpc.aio.UnaryStreamMultiCallable[Resumable, ResponseMessage],
        request: Resumable,
        cursor: Cursor,
        timeout: float | None,  # noqa: ASYNC109 - a deadline that is sent along
    ) -> AsyncGenerator[ResponseMessage, None]:
        """Make a call with a stream of responses, and resume it after an interruption. No response is repeated.

        Raises:
            StagelyError: the call failed, or was interrupted before the first response.
        """
        stream = Resumption(request, cursor, timeout)
        while True:
            token = await self._token()
            try:
                async with aclosing(self._streamed(rpc, stream.request, token, stream.seconds_left())) as responses:
                    async for response in responses:
                        stream.advance(response)
                        yield response
            except StagelyError as error:
                is_refused = isinstance(error, UnauthenticatedError)
                pause = stream.pause_after(error, has_new_token=is_refused and self._tokens.refused(token))
            else:
                return
            await asyncio.sleep(pause)

    async def send(
        self,
        rpc: grpc.aio.StreamUnaryMultiCallable[Request, Response],
        requests: Requests[Request],
        timeout: float | None,  # noqa: ASYNC109 - a deadline that is sent along
    ) -> Response:
        """Make a call with a stream of requests and one response. It is never retried, because sent requests are gone.

        Raises:
            StagelyError: the call failed.
        """
        token = await self._token()
        call = rpc(timeout=timeout, metadata=headers_with(token, self._headers))
        with self._refusable(token), typed():
            async with sending(call, requests):
                return await call

    async def exchange(
        self,
        rpc: grpc.aio.StreamStreamMultiCallable[Request, Response],
        requests: Requests[Request],
        timeout: float | None,  # noqa: ASYNC109 - a deadline that is sent along
    ) -> AsyncGenerator[Response, None]:
        """Make a call with streams of requests and responses. It is never retried.

        Raises:
            StagelyError: the call failed.
        """
        token = await self._token()
        call = rpc(timeout=timeout, metadata=headers_with(token, self._headers))
        with self._refusable(token), typed():
            async with sending(call, requests):
                async for response in call:
                    yield response

    @contextmanager
    def _refusable(self, token: str) -> Iterator[None]:
        """Discard the token if the service refused it, so that the next call uses a new one."""
        try:
            yield
        except UnauthenticatedError:
            self._tokens.refused(token)
            raise

    async def _streamed(
        self,
        rpc: grpc.aio.UnaryStreamMultiCallable[Request, Response],
        request: Request,
        token: str,
        timeout: float | None,  # noqa: ASYNC109 - a deadline that is sent along
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
