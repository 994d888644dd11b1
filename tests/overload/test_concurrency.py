from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty

from stagely_rpc.errors import NotFoundError
from stagely_rpc.interceptors.concurrency import MAX_OTHER_STREAMS, ConcurrencyInterceptor
from stagely_rpc.interceptors.context import ContextInterceptor
from stagely_rpc.interceptors.errors import ErrorInterceptor
from tests.support.chained import CALL_KINDS, Ends, chained, handler_of
from tests.support.eventually import eventually
from tests.support.refusals import refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SERVICE = "stagely.test.Waits"
LIMIT = 3
KINDS = pytest.mark.parametrize("kind", CALL_KINDS)


@pytest.fixture
def waits() -> Ends:
    return Ends()


@pytest.fixture
def load() -> ConcurrencyInterceptor:
    return ConcurrencyInterceptor(LIMIT, LIMIT, [f"/{SERVICE}/{kind}" for kind in CALL_KINDS])


@pytest.fixture
async def channel(waits: Ends, load: ConcurrencyInterceptor) -> AsyncIterator[grpc.aio.Channel]:
    chain = ContextInterceptor(), ErrorInterceptor(), load
    async with chained(handler_of(SERVICE, waits), *chain) as channel:
        yield channel


def begin(channel: grpc.aio.Channel, kind: str, service: str = SERVICE) -> Any:
    method = getattr(channel, kind)(f"/{service}/{kind}", Empty.SerializeToString, Empty.FromString)
    return method(Empty() if kind.startswith("unary") else iter([Empty()]), timeout=20)


async def end_of(call: Any) -> None:
    """Read the answer of a call to its end."""
    if hasattr(call, "__aiter__"):
        async for _ in call:
            pass
    else:
        await call


async def expect_room(load: ConcurrencyInterceptor) -> None:
    """Expect that every call was given back, and none twice."""

    async def in_use() -> tuple[int, int]:
        return load.calls, load.streams

    await eventually(in_use, (0, 0))


@KINDS
async def test_call_above_the_limit_is_refused_until_another_ends(
    channel: grpc.aio.Channel, waits: Ends, load: ConcurrencyInterceptor, kind: str
) -> None:
    calls = [begin(channel, kind) for _ in range(LIMIT)]
    await waits.expect_begun(LIMIT)

    reason = "TOO_MANY_CALLS" if kind == "unary_unary" else "TOO_MANY_STREAMS"
    with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, reason=reason) as refusal:
        await end_of(begin(channel, kind))
    waits.goes_on.set()
    for call in calls:
        await end_of(call)
    await end_of(begin(channel, kind))

    assert refusal.details["RetryInfo"].retry_delay.seconds == 1
    assert waits.begun == LIMIT + 1
    await expect_room(load)


@KINDS
async def test_refused_calls_do_not_count_against_the_limit(channel: grpc.aio.Channel, waits: Ends, kind: str) -> None:
    calls = [begin(channel, kind) for _ in range(LIMIT)]
    await waits.expect_begun(LIMIT)
    for _ in range(2 * LIMIT):
        with refused(grpc.StatusCode.RESOURCE_EXHAUSTED):
            await end_of(begin(channel, kind))

    waits.goes_on.set()
    await asyncio.gather(*map(end_of, calls))

    await asyncio.gather(*(end_of(begin(channel, kind)) for _ in range(LIMIT)))


@KINDS
async def test_cancelled_calls_free_capacity(
    channel: grpc.aio.Channel, waits: Ends, load: ConcurrencyInterceptor, kind: str
) -> None:
    calls = [begin(channel, kind) for _ in range(LIMIT)]
    await waits.expect_begun(LIMIT)

    for call in calls:
        call.cancel()

    await expect_room(load)


@KINDS
async def test_failed_calls_free_capacity(
    channel: grpc.aio.Channel, waits: Ends, load: ConcurrencyInterceptor, kind: str
) -> None:
    waits.error = NotFoundError("Team", "web")
    waits.goes_on.set()

    for _ in range(2 * LIMIT):
        with refused(grpc.StatusCode.NOT_FOUND):
            await end_of(begin(channel, kind))

    await expect_room(load)


async def test_unread_stream_frees_capacity_when_its_caller_disconnects(
    channel: grpc.aio.Channel, load: ConcurrencyInterceptor, waits: Ends
) -> None:
    calls = [begin(channel, "unary_stream") for _ in range(LIMIT)]
    await waits.expect_begun(LIMIT)

    await channel.close()

    await expect_room(load)
    assert all(call.done() for call in calls)


async def test_streams_of_other_services_have_their_own_limit(waits: Ends) -> None:
    load = ConcurrencyInterceptor(1, 1, [f"/{SERVICE}/unary_unary"])
    chain = ContextInterceptor(), ErrorInterceptor(), load
    async with chained(handler_of(SERVICE, waits), *chain) as channel:
        streams = [begin(channel, "unary_stream") for _ in range(MAX_OTHER_STREAMS)]
        await waits.expect_begun(MAX_OTHER_STREAMS)

        with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, reason="TOO_MANY_STREAMS"):
            await end_of(begin(channel, "unary_stream"))
        waits.goes_on.set()
        await end_of(begin(channel, "unary_unary"))

        for stream in streams:
            stream.cancel()
