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
from tests.support.chained import CALL_KINDS, WaitingServicer, chained, handler_of
from tests.support.eventually import eventually
from tests.support.refusals import refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SERVICE = "stagely.test.Waits"
LIMIT = 3
KINDS = pytest.mark.parametrize("kind", CALL_KINDS)


@pytest.fixture
def servicer() -> WaitingServicer:
    return WaitingServicer()


@pytest.fixture
def limits() -> ConcurrencyInterceptor:
    return ConcurrencyInterceptor(LIMIT, LIMIT, [f"/{SERVICE}/{kind}" for kind in CALL_KINDS])


@pytest.fixture
async def channel(servicer: WaitingServicer, limits: ConcurrencyInterceptor) -> AsyncIterator[grpc.aio.Channel]:
    chain = ContextInterceptor(), ErrorInterceptor(), limits
    async with chained(handler_of(SERVICE, servicer), *chain) as channel:
        yield channel


def start(channel: grpc.aio.Channel, kind: str, service: str = SERVICE) -> Any:
    method = getattr(channel, kind)(f"/{service}/{kind}", Empty.SerializeToString, Empty.FromString)
    return method(Empty() if kind.startswith("unary") else iter([Empty()]), timeout=20)


async def end_of(call: Any) -> None:
    """Read the responses of a call to their end."""
    if hasattr(call, "__aiter__"):
        async for _ in call:
            pass
    else:
        await call


async def expect_no_calls(limits: ConcurrencyInterceptor) -> None:
    """Wait until no call counts. A call that was subtracted twice makes the count negative."""

    async def in_use() -> tuple[int, int]:
        return limits.calls, limits.streams

    await eventually(in_use, (0, 0))


@KINDS
async def test_call_above_the_limit_is_refused_until_another_ends(
    channel: grpc.aio.Channel, servicer: WaitingServicer, limits: ConcurrencyInterceptor, kind: str
) -> None:
    calls = [start(channel, kind) for _ in range(LIMIT)]
    await servicer.expect_calls(LIMIT)

    reason = "TOO_MANY_CALLS" if kind == "unary_unary" else "TOO_MANY_STREAMS"
    with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, reason=reason) as refusal:
        await end_of(start(channel, kind))
    servicer.may_end.set()
    for call in calls:
        await end_of(call)
    await end_of(start(channel, kind))

    assert refusal.details["RetryInfo"].retry_delay.seconds == 1
    assert servicer.calls == LIMIT + 1
    await expect_no_calls(limits)


@KINDS
async def test_refused_calls_do_not_count_against_the_limit(
    channel: grpc.aio.Channel, servicer: WaitingServicer, kind: str
) -> None:
    calls = [start(channel, kind) for _ in range(LIMIT)]
    await servicer.expect_calls(LIMIT)
    for _ in range(2 * LIMIT):
        with refused(grpc.StatusCode.RESOURCE_EXHAUSTED):
            await end_of(start(channel, kind))

    servicer.may_end.set()
    await asyncio.gather(*map(end_of, calls))

    await asyncio.gather(*(end_of(start(channel, kind)) for _ in range(LIMIT)))


@KINDS
async def test_cancelled_calls_no_longer_count(
    channel: grpc.aio.Channel, servicer: WaitingServicer, limits: ConcurrencyInterceptor, kind: str
) -> None:
    calls = [start(channel, kind) for _ in range(LIMIT)]
    await servicer.expect_calls(LIMIT)

    for call in calls:
        call.cancel()

    await expect_no_calls(limits)


@KINDS
async def test_failed_calls_no_longer_count(
    channel: grpc.aio.Channel, servicer: WaitingServicer, limits: ConcurrencyInterceptor, kind: str
) -> None:
    servicer.error = NotFoundError("Team", "web")
    servicer.may_end.set()

    for _ in range(2 * LIMIT):
        with refused(grpc.StatusCode.NOT_FOUND):
            await end_of(start(channel, kind))

    await expect_no_calls(limits)


async def test_unread_stream_no_longer_counts_after_its_caller_disconnects(
    channel: grpc.aio.Channel, limits: ConcurrencyInterceptor, servicer: WaitingServicer
) -> None:
    calls = [start(channel, "unary_stream") for _ in range(LIMIT)]
    await servicer.expect_calls(LIMIT)

    await channel.close()

    await expect_no_calls(limits)
    assert all(call.done() for call in calls)


async def test_streams_of_other_services_have_their_own_limit(servicer: WaitingServicer) -> None:
    limits = ConcurrencyInterceptor(1, 1, [f"/{SERVICE}/unary_unary"])
    chain = ContextInterceptor(), ErrorInterceptor(), limits
    async with chained(handler_of(SERVICE, servicer), *chain) as channel:
        streams = [start(channel, "unary_stream") for _ in range(MAX_OTHER_STREAMS)]
        await servicer.expect_calls(MAX_OTHER_STREAMS)

        with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, reason="TOO_MANY_STREAMS"):
            await end_of(start(channel, "unary_stream"))
        servicer.may_end.set()
        await end_of(start(channel, "unary_unary"))

        for stream in streams:
            stream.cancel()
