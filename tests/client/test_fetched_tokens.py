"""Tokens that a function fetches: remembered, renewed in time, and replaced when they are refused."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import TYPE_CHECKING

import grpc
import pytest

from stagely_rpc import client
from stagely_rpc.client import connect, connect_sync
from stagely_rpc.client.fetching import FetchedTokens, SyncFetchedTokens
from stagely_rpc.client.tokens import TokenCache, expiry_of
from tests.support.client.recorder import sent_to
from tests.support.rpc import running_server
from tests.support.tokens import AUTHENTICATION, token

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.client.recorder import Recorder

SOME_ID = "0b5a2a6e-54f0-4c0e-9f0b-7f1d5a0f3c11"
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED


def in_turn(*tokens: str) -> Callable[[], str]:
    """Return a function that fetches one token after the other, and fails when there are no more."""
    left = list(tokens)
    return lambda: left.pop(0)


@pytest.mark.parametrize("is_async", [True, False])
async def test_fetched_token_is_cached_until_it_is_refused(recorder: Recorder, *, is_async: bool) -> None:
    fetch = in_turn("first", "second")

    async def fetch_async() -> str:
        return fetch()

    async with connect(recorder.target, token=fetch_async if is_async else fetch) as stagely:
        await stagely.teams.get(SOME_ID)
        await stagely.teams.get(SOME_ID)
        recorder.answers = [UNAUTHENTICATED]
        await stagely.teams.create(slug="web", name="Web")

    assert sent_to(recorder) == ["Bearer first", "Bearer first", "Bearer first", "Bearer second"]
    assert len({received.request.request_id for received in recorder.received[2:]}) == 1


async def test_fetched_token_is_cached_until_it_is_refused_without_asyncio(recorder: Recorder) -> None:
    def call() -> None:
        with connect_sync(recorder.target, token=in_turn("first", "second")) as stagely:
            stagely.teams.get(SOME_ID)
            recorder.answers = [UNAUTHENTICATED]
            stagely.teams.create(slug="web", name="Web")

    await asyncio.to_thread(call)

    assert sent_to(recorder) == ["Bearer first", "Bearer first", "Bearer second"]


async def test_refused_token_of_a_stream_is_renewed(recorder: Recorder) -> None:
    recorder.answers = [UNAUTHENTICATED]
    async with connect(recorder.target, token=in_turn("first", "second")) as stagely:
        assert len([answer async for answer in stagely.audit.verify_log()]) == 2

    assert sent_to(recorder) == ["Bearer first", "Bearer second"]


async def test_refused_token_of_a_stream_is_renewed_without_asyncio(recorder: Recorder) -> None:
    recorder.answers = [UNAUTHENTICATED]

    def call() -> int:
        with connect_sync(recorder.target, token=in_turn("first", "second")) as stagely:
            return len(list(stagely.audit.verify_log()))

    assert await asyncio.to_thread(call) == 2
    assert sent_to(recorder) == ["Bearer first", "Bearer second"]


async def test_second_refusal_is_final(recorder: Recorder) -> None:
    recorder.answers = [UNAUTHENTICATED] * 5
    async with connect(recorder.target, token=in_turn("first", "second", "third")) as stagely:
        with pytest.raises(client.UnauthenticatedError):
            await stagely.teams.get(SOME_ID)

    assert sent_to(recorder) == ["Bearer first", "Bearer second"]


async def test_expired_token_is_replaced_before_the_service_sees_it(database_url: str) -> None:
    fetched: list[str] = []

    def fetch() -> str:
        lifetime = 0 if not fetched else 3600
        fetched.append(token("reaper", "ids.*", exp=int(time.time()) + lifetime))
        return fetched[-1]

    async with (
        running_server(database_url, **AUTHENTICATION) as server,
        connect(f"127.0.0.1:{server.port}", token=fetch) as stagely,
    ):
        for _ in range(3):
            await stagely.ids.generate()

    assert len(fetched) == 2


async def test_concurrent_calls_fetch_one_token() -> None:
    fetched = []

    async def fetch() -> str:
        fetched.append(1)
        await asyncio.sleep(0.05)
        return "first"

    tokens = FetchedTokens(fetch)

    assert await asyncio.gather(*(tokens.get() for _ in range(20))) == ["first"] * 20
    assert len(fetched) == 1


def test_concurrent_threads_fetch_one_token() -> None:
    fetched = []

    def fetch() -> str:
        fetched.append(1)
        time.sleep(0.05)
        return "first"

    tokens, got = SyncFetchedTokens(fetch), []
    threads = [threading.Thread(target=lambda: got.append(tokens.get())) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert got == ["first"] * 20
    assert len(fetched) == 1


async def test_slow_token_function_does_not_block_others() -> None:
    """A function that is not async may ask over the network: not on the loop."""
    loop_thread = threading.get_ident()
    tokens = FetchedTokens(lambda: f"{threading.get_ident() != loop_thread}")

    assert await tokens.get() == "True"


async def test_failure_to_fetch_is_raised_if_there_is_no_token(recorder: Recorder) -> None:
    async def fetch() -> str:
        raise ConnectionError("the issuer is away")

    async with connect(recorder.target, token=fetch) as stagely:
        with pytest.raises(ConnectionError, match="the issuer is away"):
            await stagely.teams.get(SOME_ID)

    assert recorder.received == []


async def test_failure_to_renew_leaves_the_token_until_it_expires(caplog: pytest.LogCaptureFixture) -> None:
    now = 1000.0
    first = token("reaper", exp=1100)
    tokens = FetchedTokens(in_turn(first), TokenCache(lambda: now))
    sync_tokens = SyncFetchedTokens(in_turn(first), TokenCache(lambda: now))
    with caplog.at_level(logging.WARNING):
        assert await tokens.get() == sync_tokens.get() == first
        now = 1095.0
        assert await tokens.get() == sync_tokens.get() == first

    assert caplog.text.count("the current one stays in use") == 2
    assert first not in caplog.text
    now = 1100.0
    with pytest.raises(IndexError):
        await tokens.get()
    with pytest.raises(IndexError):
        sync_tokens.get()


@pytest.mark.parametrize(("lifetime", "renewed"), [(3600, 3540), (100, 80), (10, 8)])
def test_token_is_renewed_before_it_expires(lifetime: int, renewed: int) -> None:
    now = 5000.0
    cache = TokenCache(lambda: now)
    first = cache.store(token("reaper", exp=5000 + lifetime))

    now = 5000.0 + renewed - 0.1
    assert cache.fresh() == cache.unexpired() == first
    now = 5000.0 + renewed
    assert (cache.fresh(), cache.unexpired()) == (None, first)
    now = 5000.0 + lifetime
    assert (cache.fresh(), cache.unexpired()) == (None, None)


def test_renewed_token_is_not_discarded() -> None:
    cache = TokenCache()
    cache.store("first")
    cache.store("second")

    assert cache.refused("first")
    assert cache.fresh() == "second"


@pytest.mark.parametrize("opaque", ["abc", "a.b.c", "a.e30.c", "a.W10.c", "a.eyJleHAiOiAic29vbiJ9.c", "a.%%%.c"])
def test_token_without_expiry_is_used_until_it_is_refused(opaque: str) -> None:
    assert expiry_of(opaque) == float("inf")
