"""Requests with a `request_id`: what makes them known again, and the answer of one that was answered before."""

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
    """Marks the calls whose effect is to happen once, which the write transaction sees to."""

    def __init__(self, responses: Mapping[str, type[Message]]) -> None:
        """Take the methods.

        Args:
            responses: of each method whose requests have a `request_id`, by its full name, the class of its response.
        """
        super().__init__()
        self._responses = responses

    def wrap(self, method: str, handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
        """Leave methods whose requests have no `request_id` as they are."""
        response_class, behavior = self._responses.get(method), behavior_of(handler)
        if response_class is None:
            return handler

        async def answer(request: Any, context: Context) -> object:  # noqa: ANN401 - any request with a `request_id`
            if not request.request_id:
                return await behavior(request, context)
            call = current_call.get()
            call.repeatable = _repeatable(call, request)
            try:
                return await behavior(request, context)
            except AlreadyAnsweredError as before:
                return response_class.FromString(before.answer)

        return with_behavior(handler, answer)


def _repeatable(call: Call, request: Message) -> IdempotentRequest:
    user = call.caller.user.id.bytes if call.caller.user else b""
    parts = (call.method.encode(), user, request.SerializeToString(deterministic=True))
    fingerprint = hashlib.sha256(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).digest()
    return IdempotentRequest(parse(RequestId, request).request_id, fingerprint)
