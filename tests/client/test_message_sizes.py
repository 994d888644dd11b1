"""Messages that are too large, at each end and in each direction, as the caller sees it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
import pytest

from stagely_rpc.client import MessageTooLargeError, ResourceExhaustedError, channels, connect, connect_sync
from tests.support.rpc import running_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from stagely_rpc.client import Stagely
    from stagely_rpc.server.server import Server

KIB = 1024
KEY = bytes(32)


@pytest.fixture(scope="module")
async def small(database_url: str) -> AsyncIterator[Server]:
    """A server of small messages."""
    async with running_server(database_url, max_request_bytes=100 * KIB, max_response_bytes=64 * KIB) as server:
        yield server


@pytest.fixture
def small_client(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Clients of even smaller messages."""
    monkeypatch.setattr(channels, "MAX_RESPONSE_BYTES", KIB)
    channels.options.cache_clear()
    yield
    channels.options.cache_clear()


async def test_request_above_the_limit_of_the_client_is_named(stagely: Stagely) -> None:
    with pytest.raises(MessageTooLargeError) as refused:
        await stagely.crypto.encrypt(key=KEY, plaintext=bytes(5 * KIB * KIB))

    assert refused.value.message == "the request has 5242919 bytes; the limit of this client is 4194304"


async def test_request_above_the_limit_of_the_service_is_named(small: Server) -> None:
    async with connect(f"127.0.0.1:{small.port}") as stagely:
        with pytest.raises(MessageTooLargeError) as refused:
            await stagely.crypto.encrypt(key=KEY, plaintext=bytes(200 * KIB))

    assert refused.value.message == "the request has 204838 bytes; the limit of the service is 102400"
    assert isinstance(refused.value, ResourceExhaustedError)
    assert refused.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (refused.value.reason, refused.value.retry_delay) == ("", None)


async def test_response_above_the_limit_of_the_service_is_named(small: Server) -> None:
    async with connect(f"127.0.0.1:{small.port}") as stagely:
        with pytest.raises(MessageTooLargeError) as refused:
            await stagely.ids.generate_many(count=1000, length=64)

    assert refused.value.message == (
        "the response has 66000 bytes; the limit of the service is 65536: request less at a time"
    )


@pytest.mark.usefixtures("small_client")
async def test_response_above_the_limit_of_the_client_is_named(server: Server) -> None:
    async with connect(f"127.0.0.1:{server.port}") as stagely:
        with pytest.raises(MessageTooLargeError) as refused:
            await stagely.ids.generate_many(count=100, length=64)

    assert refused.value.message == (
        "the response has 6600 bytes; the limit of this client is 1024: request less at a time"
    )


async def test_too_large_request_is_named_without_asyncio(small: Server) -> None:
    def ask() -> None:
        with connect_sync(f"127.0.0.1:{small.port}") as stagely:
            stagely.crypto.encrypt(key=KEY, plaintext=bytes(200 * KIB))

    with pytest.raises(MessageTooLargeError):
        await asyncio.to_thread(ask)
