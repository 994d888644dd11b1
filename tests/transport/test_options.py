"""The lifetime of connections and the limits on them."""

from __future__ import annotations

import asyncio
import struct
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import grpc
import psycopg
import pytest
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc

from stagely.v1 import crypto_pb2, crypto_pb2_grpc, id_pb2, id_pb2_grpc, team_pb2, team_pb2_grpc
from stagely_rpc.client import connect
from tests.support.http2 import CONTINUATION, GOAWAY, HEADERS, PING, PREFACE, SETTINGS, fields, frame, payloads
from tests.support.rpc import connected, running_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from stagely_rpc.server.server import Server

MAX_CONCURRENT_STREAMS = 3
"""The number of this setting in HTTP/2 (RFC 9113, 6.5.2)."""
SERVING = health_pb2.HealthCheckResponse.SERVING
OPEN = PREFACE + frame(SETTINGS)
ACK = 0x1
SOON_SECONDS = 20
UNDER_LOAD_SECONDS = 4
LANES = 4
KIB_100 = 100 * 1024


@asynccontextmanager
async def connection(server: Server, first: bytes) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a connection without gRPC, and send bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(first)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def read_until_closed(reader: asyncio.StreamReader) -> bytes:
    """Return the bytes that the server sends until it closes the connection."""
    received = b""
    try:
        async with asyncio.timeout(SOON_SECONDS):
            while part := await reader.read(65_536):
                received += part
    except ConnectionResetError:
        pass
    return received


async def repeat(action: Callable[[int], Awaitable[object]], seconds: float) -> int:
    """Repeat an action for some seconds. Return the number of repetitions."""
    ends, count = asyncio.get_running_loop().time() + seconds, 0
    while asyncio.get_running_loop().time() < ends:
        await action(count)
        count += 1
    return count


async def test_no_call_fails_when_connections_reach_their_maximum_age(fresh_database_url: str) -> None:
    async with (
        running_server(fresh_database_url, max_connection_age_seconds=0.5) as server,
        connect(f"127.0.0.1:{server.port}") as stagely,
    ):

        async def write(lane: int, turn: int) -> None:
            team = await stagely.teams.create(slug=f"team-{lane}-{turn}", name="Team")
            assert (await stagely.teams.get(team.id)).slug == team.slug

        with structlog.testing.capture_logs() as logs:
            written = await asyncio.gather(*(repeat(partial(write, lane), UNDER_LOAD_SECONDS) for lane in range(LANES)))
        found = [team.slug async for team in stagely.teams.list()]

    peers = {log["peer"] for log in logs if log["event"] == "call"}
    assert len(found) == sum(written)
    assert len(peers) > LANES


async def test_call_in_progress_succeeds_after_its_connection_reached_its_maximum_age(fresh_database_url: str) -> None:
    async with (
        running_server(fresh_database_url, max_connection_age_seconds=0.5) as server,
        connected(server) as channel,
        await psycopg.AsyncConnection.connect(fresh_database_url) as holder,
    ):
        teams = team_pb2_grpc.TeamServiceStub(channel)
        team = (await teams.CreateTeam(team_pb2.CreateTeamRequest(slug="web", name="Web"))).team
        await holder.execute("SELECT FROM teams FOR UPDATE")
        pending = teams.UpdateTeam(team_pb2.UpdateTeamRequest(id=team.id, name="New"))
        await asyncio.sleep(1.5)
        await holder.rollback()

        assert (await pending).team.name == "New"


async def test_watch_ends_after_the_grace_period_and_can_be_started_again(database_url: str) -> None:
    async with (
        running_server(database_url, max_connection_age_seconds=0.3, max_connection_age_grace_seconds=0.3) as server,
        connected(server) as channel,
    ):
        health = health_pb2_grpc.HealthStub(channel)
        for _ in range(3):
            watching = health.Watch(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=SOON_SECONDS)
            assert (await watching.read()).status == SERVING
            with pytest.raises(grpc.aio.AioRpcError) as ended:
                await watching.read()

            assert ended.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_idle_connection_is_closed_with_goaway(database_url: str) -> None:
    async with (
        running_server(database_url, max_connection_idle_seconds=0.5) as server,
        connection(server, OPEN) as (reader, writer),
    ):
        writer.write(frame(SETTINGS, flags=ACK))
        received = await read_until_closed(reader)

    assert payloads(received, GOAWAY)


async def test_connection_without_answers_to_pings_is_closed(database_url: str) -> None:
    async with (
        running_server(database_url, keepalive_seconds=0.5, keepalive_timeout_seconds=0.5) as server,
        connection(server, OPEN) as (reader, _),
    ):
        received = await read_until_closed(reader)

    assert payloads(received, PING)


async def test_connection_with_endless_headers_is_closed(database_url: str) -> None:
    """Slowloris: no ping or idle timeout ends a connection that sends slowly, but the maximum age does."""
    endless = OPEN + frame(SETTINGS, flags=ACK) + frame(HEADERS, fields()[:10], stream=1)
    async with (
        running_server(database_url, max_connection_age_seconds=0.5, max_connection_age_grace_seconds=0.5) as server,
        connection(server, endless) as (reader, writer),
    ):
        sending = asyncio.create_task(send_slowly(writer))
        received = await read_until_closed(reader)
        sending.cancel()

    assert payloads(received, GOAWAY)


async def send_slowly(writer: asyncio.StreamWriter) -> None:
    """Send an endless header, one byte at a time."""
    while True:
        writer.write(frame(CONTINUATION, b"x", stream=1))
        await asyncio.sleep(0.1)


async def test_server_announces_the_limit_of_calls_per_connection(server: Server) -> None:
    async with connection(server, OPEN) as (reader, _):
        received = await reader.read(65_536)

    (settings, *_) = payloads(received, SETTINGS)
    assert dict(struct.iter_unpack(">HI", settings))[MAX_CONCURRENT_STREAMS] == 1000


async def test_request_above_the_size_limit_is_refused(database_url: str) -> None:
    async with running_server(database_url, max_request_bytes=KIB_100) as server, connected(server) as channel:
        encrypt = crypto_pb2_grpc.CryptoServiceStub(channel).Encrypt
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await encrypt(crypto_pb2.EncryptRequest(key=bytes(32), plaintext=bytes(KIB_100)))

    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert refused.value.details() == "SERVER: Received message larger than max (102438 vs. 102400)"
    assert not refused.value.trailing_metadata()


async def test_response_above_the_size_limit_is_refused(database_url: str) -> None:
    async with running_server(database_url, max_response_bytes=64 * 1024) as server, connected(server) as channel:
        encrypt = crypto_pb2_grpc.CryptoServiceStub(channel).Encrypt
        ids = id_pb2_grpc.IdServiceStub(channel).GenerateIds
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ids(id_pb2.GenerateIdsRequest(count=1000, length=64))
        await encrypt(crypto_pb2.EncryptRequest(key=bytes(32), plaintext=b"still there"))

    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert refused.value.details() == "SERVER: Sent message larger than max (66000 vs. 65536)"
