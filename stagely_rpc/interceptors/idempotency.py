"""Idempotency of requests with a `request_id` (AIP-155): recognizes retries, and returns the stored response.

It applies to unary calls and to streams of responses: a retry of a stream gets the stored response, and the stream
ends. Such a stream can write once with its `request_id`, as a unary call does. It does not apply to streams of
requests, because the effect is not known when the stream begins. Their messages have no `request_id`; use a field of
the messages, such as a line number, to make retries safe.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from stagely_rpc.call import Call, IdempotentRequest, current_call
from stagely_rpc.db.idempotency import AlreadyAnsweredError
from stagely_rpc.fields import RequestId
from stagely_rpc.interceptors.wrapping import WrappingInterceptor, behavior_of, with_behavior
from stagely_rpc.wire.requests import parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    import grpc
    from google.protobuf.message import Message

    from stagely_rpc.wire.context import Context


class IdempotencyInterceptor(WrappingInterceptor):
    """Marks calls as idempotent. Their write transaction claims the request id."""

    def __init__(self, responses: Mapping[str, type[Message]]) -> None:
        """Take the methods.

        Args:
            responses: the response class of each method whose requests have a `request_id`, by full method name.
        """
        super().__init__()
        self._responses = responses

    def wrap(self, method: str, handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
        """Wrap methods whose requests have a `request_id` and do not stream."""
        response_class, behavior = self._responses.get(method), behavior_of(handler)
        if response_class is None or handler.request_streaming:
            return handler
        streams = handler.response_streaming

        async def serve(request: Any, context: Context) -> object:  # noqa: ANN401 - any request with a `request_id`
            if not request.request_id:
                return await behavior(request, context)
            call = current_call.get()
            call.idempotent_request = _idempotent_request(call, request)
            try:
                return await behavior(request, context)
            except AlreadyAnsweredError as before:
                stored = response_class.FromString(before.answer)
            if not streams:
                return stored
            await context.write(stored)
            return None

        return with_behavior(handler, serve)


def _idempotent_request(call: Call, request: Message) -> IdempotentRequest:
    user = call.caller.user.id.bytes if call.caller.user else b""
    parts = (call.method.encode(), user, request.SerializeToString(deterministic=True))
    fingerprint = hashlib.sha256(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).digest()
    return IdempotentRequest(parse(RequestId, request).request_id, fingerprint)
