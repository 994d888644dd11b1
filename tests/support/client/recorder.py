"""A server that keeps what it is sent and answers as it is told: what a client does, seen from the other end."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc

from tests.support.methods import METHOD, METHODS, SERVICES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from google.protobuf.message import Message

METHOD_BY_PATH = {method.path: method for method in METHODS}
STREAMS = {
    f"{service.name}.{method.name}" for service in SERVICES for method in service.methods if method.server_streaming
}


@dataclass
class Received:
    """One attempt at a call, as it arrived."""

    name: str
    request: Any
    metadata: dict[str, str | bytes]
    seconds_left: float | None


@dataclass
class Recorder(grpc.GenericRpcHandler):
    """Takes any RPC of the contract.

    Attributes:
        answers: what the next attempts get: a code or a response. All after those get an empty response.
        received: the attempts, in their order.
        streams_may_end: cleared, a stream of responses stops after its first and does not end by itself.
        ended_streams: how many did end.
    """

    answers: list[grpc.StatusCode | Message] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    streams_may_end: asyncio.Event = field(default_factory=asyncio.Event)
    ended_streams: int = 0
    target: str = ""

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        method = METHOD_BY_PATH.get(str(details.method))
        if method is None:
            return None
        if method.name in STREAMS:
            return grpc.unary_stream_rpc_method_handler(self._stream(method.name))
        return grpc.unary_unary_rpc_method_handler(self._unary(method.name))

    def _unary(self, name: str) -> Any:
        async def answer(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
            return await self._answer(name, request, context)

        return answer

    def _stream(self, name: str) -> Any:
        async def answer(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> AsyncIterator[bytes]:
            try:
                yield await self._answer(name, request, context)
                await self.streams_may_end.wait()
                yield b""
            finally:
                self.ended_streams += 1

        return answer

    async def _answer(self, name: str, request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        metadata = dict(context.invocation_metadata() or ())
        received = Received(name, METHOD[name].request.FromString(request), metadata, context.time_remaining())
        self.received.append(received)
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, grpc.StatusCode):
            await context.abort(answer, f"told to answer {answer.name}")
        return b"" if answer is None else answer.SerializeToString()


@asynccontextmanager
async def recording(*answers: grpc.StatusCode | Message, port: int = 0) -> AsyncIterator[Recorder]:
    """Run a recorder, on a free port unless it is given one."""
    recorder = Recorder(list(answers))
    recorder.streams_may_end.set()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((recorder,))
    recorder.target = f"127.0.0.1:{server.add_insecure_port(f'127.0.0.1:{port}')}"
    await server.start()
    try:
        yield recorder
    finally:
        await server.stop(0)


def sent_to(recorder: Recorder) -> list[str | bytes | None]:
    """Return what each attempt showed in `authorization`."""
    return [received.metadata.get("authorization") for received in recorder.received]
