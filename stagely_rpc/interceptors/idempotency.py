"""Requests with a `request_id`: how a repetition is recognized, and what it is answered.

A stream of responses takes part: a repetition gets the response that was kept, and then the stream ends. It may write
once with its `request_id`, as a unary call does. A stream of requests takes no part: what its effect will be is not
known when it begins, so nothing could recognize a repetition. Its messages must have no `request_id`; what it does can
be repeated by what the messages themselves say, such as the number of a line.
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
    """Marks the calls that have their effect once. The write transaction makes sure of it."""

    def __init__(self, responses: Mapping[str, type[Message]]) -> None:
        """Take the methods.

        Args:
            responses: of each method whose requests have a `request_id`, by its full name, the class of its response.
        """
        super().__init__()
        self._responses = responses

    def wrap(self, method: str, handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
        """Leave methods whose requests have no `request_id` as they are, and those that stream requests."""
        response_class, behavior = self._responses.get(method), behavior_of(handler)
        if response_class is None or handler.request_streaming:
            return handler
        streams = handler.response_streaming

        async def serve(request: Any, context: Context) -> object:  # noqa: ANN401 - any request with a `request_id`
            if not request.request_id:
                return await behavior(request, context)
            call = current_call.get()
            call.repeatable = _repeatable(call, request)
            try:
                return await behavior(request, context)
            except AlreadyAnsweredError as before:
                kept = response_class.FromString(before.answer)
            if not streams:
                return kept
            await context.write(kept)
            return None

        return with_behavior(handler, serve)


def _repeatable(call: Call, request: Message) -> IdempotentRequest:
    user = call.caller.user.id.bytes if call.caller.user else b""
    parts = (call.method.encode(), user, request.SerializeToString(deterministic=True))
    fingerprint = hashlib.sha256(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).digest()
    return IdempotentRequest(parse(RequestId, request).request_id, fingerprint)
