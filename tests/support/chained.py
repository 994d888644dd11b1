"""A server of one handler behind a chain of interceptors, over a real socket."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import grpc
from google.protobuf.empty_pb2 import Empty

from tests.support.eventually import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

CALL_KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


def handler_of(service: str, servicer: object) -> grpc.GenericRpcHandler:
    """Return a handler with one method per call kind, named after the kind, with Empty messages."""
    handlers = {}
    for kind in CALL_KINDS:
        make = getattr(grpc, f"{kind}_rpc_method_handler")
        handlers[kind] = make(getattr(servicer, kind), Empty.FromString, Empty.SerializeToString)
    return grpc.method_handlers_generic_handler(service, handlers)


@asynccontextmanager
async def chained(
    handler: grpc.GenericRpcHandler,
    *chain: grpc.aio.ServerInterceptor,
    options: Sequence[tuple[str, int]] = (),
) -> AsyncIterator[grpc.aio.Channel]:
    """Serve a handler behind a chain of interceptors. Yield a channel to the server."""
    server = grpc.aio.server(interceptors=chain, options=options)
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.stop(None)


class WaitingServicer:
    """A service with one method of each call kind. Calls wait for an event before they end.

    Attributes:
        calls: the number of calls so far.
        may_end: the event that the calls wait for.
        error: the error that the calls raise; None lets them succeed.
    """

    def __init__(self) -> None:
        self.calls = 0
        self.may_end = asyncio.Event()
        self.error: Exception | None = None

    async def _end(self) -> None:
        self.calls += 1
        await self.may_end.wait()
        if self.error is not None:
            raise self.error

    async def unary_unary(self, request: Empty, context: object) -> Empty:
        await self._end()
        return request

    async def stream_unary(self, requests: object, context: object) -> Empty:
        await self._end()
        return Empty()

    async def unary_stream(self, request: Empty, context: object) -> AsyncIterator[Empty]:
        yield request
        await self._end()

    async def stream_stream(self, requests: object, context: object) -> AsyncIterator[Empty]:
        yield Empty()
        await self._end()

    async def expect_calls(self, count: int) -> None:
        async def calls() -> int:
            return self.calls

        await eventually(calls, count)
