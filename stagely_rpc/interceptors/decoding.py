"""The innermost interceptor: turns the bytes of a request into its message, inside the chain.

gRPC decodes outside of every interceptor, and answers malformed bytes with an internal error. Here they are
INVALID_ARGUMENT.
"""

from __future__ import annotations

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


class DecodingInterceptor(WrappingInterceptor):
    """Decodes requests.

    Raises (to the error interceptor):
        InvalidArgumentError: the bytes are not of the request's type.
    """

    def wrap(self, method: str, handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
        """Take the decoding over from gRPC."""
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
    """Decode the requests whichever way they are read: from the iterator, or by `context.read`."""

    async def serve(requests: AsyncIterator[bytes], context: Context) -> object:
        async def read() -> object:
            raw = await context.read()
            return raw if raw is grpc.aio.EOF else _decoded(decode, raw)

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


def _decode_error(message_class: Any, raw: bytes) -> InvalidArgumentError:  # noqa: ANN401 - untyped in gRPC
    if message_class is None:
        return InvalidArgumentError.of("", "the request is malformed", reason="MALFORMED_REQUEST")
    descriptor = message_class.DESCRIPTOR
    violations = [Violation(path, "must be valid UTF-8") for path in malformed_text_fields(descriptor, raw)]
    return InvalidArgumentError(
        violations or [Violation("", f"the request is no {descriptor.full_name}")], reason="MALFORMED_REQUEST"
    )
