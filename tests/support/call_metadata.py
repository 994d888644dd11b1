"""Client interceptors that add a token and an acting user to every call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
from grpc.aio import ClientCallDetails, Metadata

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Continuation = Callable[[ClientCallDetails, Any], Awaitable[Any]]

Headers = tuple[tuple[str, str], ...]


def headers_of(token: str | None = None, user_id: str | None = None) -> Headers:
    """Return the metadata for a token and an acting user. Each may be None."""
    given = {"authorization": token and f"Bearer {token}", "x-stagely-user-id": user_id}
    return tuple((name, value) for name, value in given.items() if value is not None)


def metadata_interceptors(headers: Headers) -> list[grpc.aio.ClientInterceptor]:
    """Return interceptors, one for each kind of call, that add metadata."""
    return [kind(headers) for kind in (_UnaryUnary, _UnaryStream, _StreamUnary, _StreamStream)] if headers else []


class _AddMetadata:
    def __init__(self, headers: Headers) -> None:
        self._headers = headers

    async def _call(self, continuation: Continuation, details: ClientCallDetails, request: Any) -> Any:
        with_metadata = ClientCallDetails(
            method=details.method,
            timeout=details.timeout,
            metadata=Metadata(*(details.metadata or ()), *self._headers),
            credentials=details.credentials,
            wait_for_ready=details.wait_for_ready,
        )
        return await continuation(with_metadata, request)


class _UnaryUnary(_AddMetadata, grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(
        self, continuation: Continuation, client_call_details: ClientCallDetails, request: Any
    ) -> Any:
        return await self._call(continuation, client_call_details, request)


class _UnaryStream(_AddMetadata, grpc.aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(
        self, continuation: Continuation, client_call_details: ClientCallDetails, request: Any
    ) -> Any:
        return await self._call(continuation, client_call_details, request)


class _StreamUnary(_AddMetadata, grpc.aio.StreamUnaryClientInterceptor):
    async def intercept_stream_unary(
        self, continuation: Continuation, client_call_details: ClientCallDetails, request_iterator: Any
    ) -> Any:
        return await self._call(continuation, client_call_details, request_iterator)


class _StreamStream(_AddMetadata, grpc.aio.StreamStreamClientInterceptor):
    async def intercept_stream_stream(
        self, continuation: Continuation, client_call_details: ClientCallDetails, request_iterator: Any
    ) -> Any:
        return await self._call(continuation, client_call_details, request_iterator)
