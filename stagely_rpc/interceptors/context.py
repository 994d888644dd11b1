"""The outermost interceptor: makes the `Call` that the rest of the chain and the servicers read."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from stagely_rpc.call import REQUEST_ID_HEADER, Call, current_call, request_id_from
from stagely_rpc.interceptors.wrapping import AroundInterceptor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stagely_rpc.call import Context


class ContextInterceptor(AroundInterceptor):
    """Sets `current_call`, and returns the request's id in the trailing `x-request-id` metadata."""

    @asynccontextmanager
    async def around(self, method: str, context: Context) -> AsyncIterator[None]:
        """Make the call known for as long as it runs."""
        call = Call(method=method, peer=context.peer(), request_id=request_id_from(context.invocation_metadata()))
        context.set_trailing_metadata(((REQUEST_ID_HEADER, call.request_id),))
        # The task of a call ends with it, and its copy of the context too: nothing to reset.
        current_call.set(call)
        yield
