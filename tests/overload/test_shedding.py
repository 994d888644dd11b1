"""More concurrent calls than the service can start: gRPC's core queues some calls and sheds the others."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from stagely.v1 import crypto_pb2, crypto_pb2_grpc, id_pb2, id_pb2_grpc
from stagely_rpc.transport.options import MAX_PENDING_CALLS, UNSHED_CALLS
from tests.support.rpc import connected, running_server
from tests.support.telemetry.scraping import scraped_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stagely_rpc.server.server import Server

TIMEOUT_SECONDS = 60
METHOD = "stagely.v1.IdService/GenerateId"
ARRIVED, ENDED = "stagely_rpc_calls_arrived_total", "stagely_rpc_calls_total"
OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)


class Crowd:
    """Concurrent calls over several channels. Each channel has its own connection."""

    def __init__(self, channels: list[grpc.Channel]) -> None:
        self._stubs = [id_pb2_grpc.IdServiceStub(channel) for channel in channels]
        self._calls: list[Any] = []
        self._ended = threading.Semaphore(0)

    def call(self, times: int) -> None:
        """Start calls. A connection takes up to 1,000 calls at a time."""
        for number in range(times):
            stub = self._stubs[number % len(self._stubs)]
            call = stub.GenerateId.future(id_pb2.GenerateIdRequest(), timeout=TIMEOUT_SECONDS)
            call.add_done_callback(lambda _: self._ended.release())
            self._calls.append(call)

    def wait_for(self, count: int) -> None:
        """Wait until `count` more calls have ended."""
        for _ in range(count):
            assert self._ended.acquire(timeout=TIMEOUT_SECONDS)

    def codes(self) -> Counter[grpc.StatusCode]:
        """Return the number of calls by code. All calls must have ended."""
        return Counter(call.code() for call in self._calls)


@contextmanager
def crowd(server: Server) -> Iterator[Crowd]:
    with ExitStack() as opened:
        channels = [grpc.insecure_channel(f"127.0.0.1:{server.port}", OWN_CONNECTION) for _ in range(3)]
        for channel in channels:
            opened.enter_context(channel)
        yield Crowd(channels)


async def test_calls_above_the_queue_limit_are_shed_at_once_and_queued_calls_are_answered(database_url: str) -> None:
    async with running_server(database_url, metrics_port=0) as server:
        with crowd(server) as callers:
            callers.call(2 * MAX_PENDING_CALLS)
            # This call blocks the event loop, so the server starts no call: only the core can have ended these.
            callers.wait_for(MAX_PENDING_CALLS - 1)
            await asyncio.to_thread(callers.wait_for, MAX_PENDING_CALLS + 1)
            codes = callers.codes()
            shed = codes[grpc.StatusCode.CANCELLED]
            found = await scraped_until(server, lambda found: found.value(ARRIVED) == 2 * MAX_PENDING_CALLS)

    assert found.value(ENDED, method=METHOD, code="OK") == 2 * MAX_PENDING_CALLS - shed
    assert set(codes) == {grpc.StatusCode.OK, grpc.StatusCode.CANCELLED}
    assert codes[grpc.StatusCode.OK] >= UNSHED_CALLS


async def test_burst_up_to_the_first_limit_is_not_shed(database_url: str) -> None:
    async with running_server(database_url) as server:
        with crowd(server) as callers:
            callers.call(UNSHED_CALLS)
            await asyncio.to_thread(callers.wait_for, UNSHED_CALLS)
            codes = callers.codes()

    assert codes == {grpc.StatusCode.OK: UNSHED_CALLS}


async def test_too_large_request_counts_as_arrived_but_never_starts(database_url: str) -> None:
    too_large = crypto_pb2.EncryptRequest(plaintext=bytes(65_536))
    async with running_server(database_url, metrics_port=0, max_request_bytes=65_536) as server:
        async with connected(server) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await crypto_pb2_grpc.CryptoServiceStub(channel).Encrypt(too_large)
        found = await scraped_until(server, lambda found: found.value(ARRIVED) == 1)

    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert found.labels_of(ENDED) == []
