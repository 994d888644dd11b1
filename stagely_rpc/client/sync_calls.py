"""Calls of every kind of a sync client, with deadline, token and acting user."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from google.protobuf.message import Message

from stagely_rpc.client.errors import StagelyError, UnauthenticatedError, typed
from stagely_rpc.client.headers import Deadline, acting_for_header, headers_with
from stagely_rpc.client.resuming import Resumption
from stagely_rpc.client.sync_sending import SentRequests

if TYPE_CHECKING:
    import uuid
    from collections.abc import Generator, Iterable, Iterator

    import grpc

    from stagely_rpc.client.headers import Headers
    from stagely_rpc.client.resuming import Cursor, Resumable
    from stagely_rpc.client.tokens import SyncTokens

Request = TypeVar("Request")
Response = TypeVar("Response")
ResponseMessage = TypeVar("ResponseMessage", bound=Message)


class SyncCalls:
    """Makes the calls of a client. Any number of threads may make calls at once.

    Attributes:
        channel: the channel.
    """

    def __init__(self, channel: grpc.Channel, tokens: SyncTokens, timeout: float, headers: Headers = ()) -> None:
        self.channel = channel
        self._tokens = tokens
        self._timeout = timeout
        self._headers = headers

    def acting_for(self, user_id: str | uuid.UUID) -> SyncCalls:
        """Return a copy that makes calls for a user."""
        return SyncCalls(self.channel, self._tokens, self._timeout, (acting_for_header(user_id),))

    def unary(
        self, rpc: grpc.UnaryUnaryMultiCallable[Request, Response], request: Request, timeout: float | None
    ) -> Response:
        """Make a call with one response.

        Raises:
            StagelyError: the call failed.
        """
        deadline = Deadline(self._timeout if timeout is None else timeout)
        token = self._tokens.get()
        try:
            return self._attempt(rpc, request, token, deadline)
        except UnauthenticatedError:
            if not self._tokens.refused(token):
                raise
        return self._attempt(rpc, request, self._tokens.get(), deadline)

    def _attempt(
        self, rpc: grpc.UnaryUnaryMultiCallable[Request, Response], request: Request, token: str, deadline: Deadline
    ) -> Response:
        with typed():
            return rpc(request, timeout=deadline.seconds_left(), metadata=headers_with(token, self._headers))

    def stream(
        self, rpc: grpc.UnaryStreamMultiCallable[Request, Response], request: Request, timeout: float | None
    ) -> Generator[Response, None, None]:
        """Make a call with a stream of responses. Without a timeout, it has no deadline.

        Raises:
            StagelyError: the call failed.
        """
        token, has_begun = self._tokens.get(), False
        try:
            for response in self._streamed(rpc, request, token, timeout):
                has_begun = True
                yield response
        except UnauthenticatedError:
            if not self._tokens.refused(token) or has_begun:
                raise
        else:
            return
        yield from self._streamed(rpc, request, self._tokens.get(), timeout)

    def resumable_stream(
        self,
        rpc: grpc.UnaryStreamMultiCallable[Resumable, ResponseMessage],
        request: Resumable,
        cursor: Cursor,
        timeout: float | None,
    ) -> Generator[ResponseMessage, None, None]:
        """Make a call with a stream of responses, and resume it after an interruption. No response is repeated.

        Raises:
            StagelyError: the call failed, or was interrupted before the first response.
        """
        stream = Resumption(request, cursor, timeout)
        while True:
            token = self._tokens.get()
            try:
                for response in self._streamed(rpc, stream.request, token, stream.seconds_left()):
                    stream.advance(response)
                    yield response
            except StagelyError as error:
                is_refused = isinstance(error, UnauthenticatedError)
                pause = stream.pause_after(error, has_new_token=is_refused and self._tokens.refused(token))
            else:
                return
            time.sleep(pause)

    def send(
        self, rpc: grpc.StreamUnaryMultiCallable[Request, Response], requests: Iterable[Request], timeout: float | None
    ) -> Response:
        """Make a call with a stream of requests and one response. It is never retried, because sent requests are gone.

        Raises:
            StagelyError: the call failed.
        """
        token, sent = self._tokens.get(), SentRequests(requests)
        with self._refusable(token), typed(), sent:
            return rpc(sent, timeout=timeout, metadata=headers_with(token, self._headers))

    def exchange(
        self, rpc: grpc.StreamStreamMultiCallable[Request, Response], requests: Iterable[Request], timeout: float | None
    ) -> Generator[Response, None, None]:
        """Make a call with streams of requests and responses. It is never retried.

        Raises:
            StagelyError: the call failed.
        """
        token, sent = self._tokens.get(), SentRequests(requests)
        call = rpc(sent, timeout=timeout, metadata=headers_with(token, self._headers))
        try:
            with self._refusable(token), typed(), sent:
                yield from call
        finally:
            call.cancel()

    @contextmanager
    def _refusable(self, token: str) -> Iterator[None]:
        """Discard the token if the service refused it, so that the next call uses a new one."""
        try:
            yield
        except UnauthenticatedError:
            self._tokens.refused(token)
            raise

    def _streamed(
        self,
        rpc: grpc.UnaryStreamMultiCallable[Request, Response],
        request: Request,
        token: str,
        timeout: float | None,
    ) -> Generator[Response, None, None]:
        call = rpc(request, timeout=timeout, metadata=headers_with(token, self._headers))
        try:
            with typed():
                yield from call
        finally:
            call.cancel()
