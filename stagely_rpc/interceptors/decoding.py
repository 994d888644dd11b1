"""The innermost interceptor: turns the bytes of a request into its message, inside the chain.

gRPC's own decoding happens outside every interceptor and answers bytes that are no message with an internal error. Here
they are what they are, the caller's mistake.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError

from stagely_rpc.errors import InvalidArgumentError, Violation
from stagely_rpc.interceptors.wrapping import WrappingInterceptor, behavior_of, wrapped
from stagely_rpc.wire.malformed import malformed_text_fields

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import grpc
    from google.protobuf.message import Message

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
        prepare = _decoded_stream if handler.request_streaming else _decoded

        async def answer(request: Any, context: Context) -> object:  # noqa: ANN401
            return await behavior(prepare(decode, request), context)

        async def stream(request: Any, context: Context) -> AsyncIterator[object]:  # noqa: ANN401
            async for response in behavior(prepare(decode, request), context):
                yield response

        return wrapped(handler, answer=answer, stream=stream, request_deserializer=None)


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
