"""The outermost interceptor: creates the `Call` that the other interceptors and the servicers read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagely_rpc.call import Call, current_call
from stagely_rpc.interceptors.metadata import REQUEST_ID_HEADER, ip_of, request_id_from
from stagely_rpc.interceptors.wrapping import WrappingInterceptor, behavior_of, with_behavior

if TYPE_CHECKING:
    import grpc

    from stagely_rpc.wire.context import Context


class ContextInterceptor(WrappingInterceptor):
    """Sets `current_call`, and returns the request id in the trailing metadata `x-request-id`."""

    def wrap(self, method: str, handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
        """Set `current_call` while the call runs."""
        behavior = behavior_of(handler)

        async def serve(request: object, context: Context) -> object:
            _begin(method, context)
            return await behavior(request, context)

        return with_behavior(handler, serve)


def _begin(method: str, context: Context) -> None:
    peer, metadata = context.peer(), context.invocation_metadata() or ()
    request_id = request_id_from(metadata)
    context.set_trailing_metadata(((REQUEST_ID_HEADER, request_id),))
    # No reset is needed: the call's task and its copy of the context end with the call.
    current_call.set(Call(method, peer, request_id, ip_of(peer), metadata=metadata))
