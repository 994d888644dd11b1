"""How a call of a sync client is made: with a deadline, a token and whom it acts for; and its errors typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from stagely_rpc.client.errors import UnauthenticatedError, typed
from stagely_rpc.client.headers import Deadline, acting_for_header, headers_with

if TYPE_CHECKING:
    import uuid
    from collections.abc import Generator

    import grpc

    from stagely_rpc.client.headers import Headers
    from stagely_rpc.client.tokens import SyncTokens

Request = TypeVar("Request")
Response = TypeVar("Response")


class SyncCalls:
    """What all calls of a client have in common. Any number of threads may make them at once.

    Attributes:
        channel: over which they go.
    """

    def __init__(self, channel: grpc.Channel, tokens: SyncTokens, timeout: float, headers: Headers = ()) -> None:
        self.channel = channel
        self._tokens = tokens
        self._timeout = timeout
        self._headers = headers

    def acting_for(self, user_id: str | uuid.UUID) -> SyncCalls:
        """Return the same calls, made for a user."""
        return SyncCalls(self.channel, self._tokens, self._timeout, (acting_for_header(user_id),))

    def unary(
        self, rpc: grpc.UnaryUnaryMultiCallable[Request, Response], request: Request, timeout: float | None
    ) -> Response:
        """Make a call with one response.

        Raises:
            StagelyError: it failed.
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
        """Make a call with a stream of responses. It lasts as long as it is read, unless it is given a deadline.

        Raises:
            StagelyError: it failed.
        """
        token = self._tokens.get()
        try:
            yield from self._streamed(rpc, request, token, timeout)
        except UnauthenticatedError:  # comes before the first response
            if not self._tokens.refused(token):
                raise
        else:
            return
        yield from self._streamed(rpc, request, self._tokens.get(), timeout)

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
