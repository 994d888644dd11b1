"""The innermost interceptor: decodes requests inside the chain.

gRPC itself decodes outside the interceptors, and fails with INTERNAL on malformed bytes. Here they are
INVALID_ARGUMENT.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import DecodeError

from stagely_rpc.errors import InvalidArgumentError, Violation
from stagely_rpc.interceptors.stream_context import with_messages
from stagely_rpc.interceptors.wrapping import WrappingInterceptor, behavior_of, with_behavior
from stagely_rpc.wire.malformed import malformed_text_fields

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from google.protobuf.message import Message

    from stagely_rpc.interceptors.wrapping import Behavior
    from stagely_rpc.wire.context import Context


_CANCELLATION_SECONDS, _CANCELLATION_TURNS = 0.02, 3


class DecodingInterceptor(WrappingInterceptor):
    """Decodes requests.

    Raises (to the error interceptor):
        InvalidArgumentError: the bytes are not a message of the request's type.
    """

    def wrap(self, method: str, handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
        """Decode the requests in place of gRPC."""
        del method
        decode, behavior = handler.request_deserializer, behavior_of(handler)
        if decode is None:
            return handler
        serve = _of_stream(decode, behavior) if handler.request_streaming else _of_message(decode, behavior)
        return with_behavior(handler, serve, request_deserializer=None)


def _of_message(decode: Callable[[bytes], Message], behavior: Behavior) -> Behavior:
    async def serve(request: bytes, context: Context) -> object:
        return await behavior(_decoded(decode, request), context)

    return serve


def _of_stream(decode: Callable[[bytes], Message], behavior: Behavior) -> Behavior:
    """Decode requests that are read from the iterator or by `context.read`."""

    async def serve(requests: AsyncIterator[bytes], context: Context) -> object:
        async def read() -> object:
            raw = await context.read()
            if raw is not grpc.aio.EOF:
                return _decoded(decode, raw)
            await _expect_cancellation()
            return raw

        return await behavior(_decoded_stream(decode, requests), with_messages(context, read=read))

    return serve


def _decoded(decode: Callable[[bytes], Message], raw: bytes) -> Message:
    try:
        return decode(raw)
    except DecodeError as error:
        # Generated deserializers are bound methods of the message class.
        raise _decode_error(getattr(decode, "__self__", None), raw) from error


async def _decoded_stream(decode: Callable[[bytes], Message], raw: AsyncIterator[bytes]) -> AsyncIterator[Message]:
    async for part in raw:
        yield _decoded(decode, part)
    await _expect_cancellation()


async def _expect_cancellation() -> None:
    """Wait after the last request, in case the caller has cancelled the stream.

    grpc.aio ends the iterator of a cancelled stream as it ends a complete one, and cancels the call up to 4 ms later
    (measured). Without the wait, the servicer would take a truncated stream for a complete one.
    """
    await asyncio.sleep(_CANCELLATION_SECONDS)
    # A busy loop may run its timers before it processes the cancellation.
    for _ in range(_CANCELLATION_TURNS):
        await asyncio.sleep(0)


def _decode_error(message_class: Any, raw: bytes) -> InvalidArgumentError:  # noqa: ANN401 - untyped in gRPC
    if message_class is None:
        return InvalidArgumentError.of("", "the request is malformed", reason="MALFORMED_REQUEST")
    descriptor = message_class.DESCRIPTOR
    violations = [Violation(path, "must be valid UTF-8") for path in malformed_text_fields(descriptor, raw)]
    return InvalidArgumentError(
        violations or [Violation("", f"the request is not a valid {descriptor.full_name}")], reason="MALFORMED_REQUEST"
    )
