"""The outermost interceptor: makes the `Call` that the rest of the chain and the servicers read."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from stagely_rpc.call import Call, current_call
from stagely_rpc.interceptors.metadata import REQUEST_ID_HEADER, ip_of, request_id_from
from stagely_rpc.interceptors.wrapping import AroundInterceptor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stagely_rpc.interceptors.metadata import Context


class ContextInterceptor(AroundInterceptor):
    """Sets `current_call`, and returns the request's id in the trailing `x-request-id` metadata."""

    @asynccontextmanager
    async def around(self, method: str, context: Context) -> AsyncIterator[None]:
        """Make the call known for as long as it runs."""
        peer = context.peer()
        call = Call(method, peer, request_id_from(context.invocation_metadata()), ip_of(peer))
        context.set_trailing_metadata(((REQUEST_ID_HEADER, call.request_id),))
        # The task of a call ends with it, and its copy of the context too: nothing to reset.
        current_call.set(call)
        yield
