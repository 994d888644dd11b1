"""Clients that connect and say nothing, never end, read nothing, or send far too much, beside others that behave."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import grpc

from campaigns.ledger import Ledger
from campaigns.load import Load
from campaigns.report import Report
from campaigns.stage import service
from stagely.v1 import crypto_pb2, crypto_pb2_grpc, team_pb2
from tests.support.http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    HEADERS,
    PREFACE,
    SETTINGS,
    call,
    fields,
    frame,
    message,
)
from tests.support.own_postgres import own_postgres

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from campaigns.stage import Service

CALLERS, CALLS_PER_SECOND = 10, 50
TICK_SECONDS = 0.5
LARGE_BYTES = 100 * 1024 * 1024
LARGEST_GROWTH_BYTES = 300_000_000

OPEN = PREFACE + frame(SETTINGS)
LIST = {":path": "/stagely.v1.TeamService/ListTeams"}
_REQUEST = message(team_pb2.ListTeamsRequest(page_size=500).SerializeToString())
# One field of 4 KiB enters the table of HPACK; each byte after that stands for all of it (RFC 7541, 7.3).
_BOMB = fields() + b"\x40\x04bomb\x7f\x81\x1f" + bytes(4096) + b"\xbe" * 11_000

FIRST_WORDS: dict[str, bytes] = {
    "that say nothing": b"",
    "that are idle": OPEN,
    "that send a request byte by byte": call(b"", end=False, changes=LIST),
    "that send headers without an end": OPEN + frame(HEADERS, fields(), stream=1),
    "that read no answer": call(_REQUEST, changes=LIST),
    "that send bombs of headers": OPEN + frame(HEADERS, _BOMB[:16_000], flags=END_HEADERS, stream=1),
}
"""What the clients say at first, by what they are."""

NEXT_WORDS: dict[str, bytes] = {
    "that send a request byte by byte": frame(DATA, b"\0", stream=1),
    "that send headers without an end": frame(CONTINUATION, b"x", stream=1),
}
"""What they say after that, every now and then."""


async def run(clients: int = 1000, seconds: float = 60) -> Report:
    """Those that behave are served all the while, memory is bounded, and nothing of it is left behind."""
    report = Report("hostile_clients")
    with own_postgres() as postgres:
        async with service(postgres.url) as one:
            load = Load(one.address, Ledger(), calls_per_second=CALLS_PER_SECOND)
            async with load.running(CALLERS):
                await load.answers(2 * CALLS_PER_SECOND)
                before = one.open_files()
                for kind in FIRST_WORDS:
                    await _endure(report, one, kind, clients, seconds)
                await _send_too_much(report, one)
                await load.answers(2 * CALLS_PER_SECOND)
            refused = {code: number for (_, code), number in load.codes.items() if code != "OK"}
            report.expect(not refused, f"calls of those that behave were refused: {refused}")
            load.judge(report)
            left = await _settled(one, before)
            report.counted["open files, before and after"] = f"{before}, {left}"
            report.expect(left <= before, f"{left - before} files more are open than before")
    return report


async def _endure(report: Report, one: Service, kind: str, clients: int, seconds: float) -> None:
    resident = one.rss_bytes()
    async with AsyncExitStack() as stack:
        writers = [await stack.enter_async_context(_client(one, FIRST_WORDS[kind])) for _ in range(clients)]
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        while loop.time() < ends:
            for writer in writers:
                if not writer.is_closing():
                    writer.write(NEXT_WORDS.get(kind, b""))
            await asyncio.sleep(TICK_SECONDS)
        grown = one.rss_bytes() - resident
    report.injected[f"clients {kind}"] = f"{clients} for {seconds:g} s"
    report.counted[f"memory for clients {kind}"] = f"{grown / 1e6:+.1f} MB"
    report.expect(grown < LARGEST_GROWTH_BYTES, f"clients {kind} took {grown / 1e6:.0f} MB")


@asynccontextmanager
async def _client(one: Service, words: bytes) -> AsyncIterator[asyncio.StreamWriter]:
    # A buffer so small that an answer does not fit, for those that do not read it.
    _, writer = await asyncio.open_connection("127.0.0.1", one.port, limit=1024)
    writer.write(words)
    try:
        yield writer
    finally:
        writer.transport.abort()


async def _send_too_much(report: Report, one: Service) -> None:
    options = [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
    request = crypto_pb2.EncryptRequest(key=bytes(32), plaintext=bytes(LARGE_BYTES))
    resident, codes = one.rss_bytes(), set()
    for _ in range(5):
        async with grpc.aio.insecure_channel(one.address, options=options) as channel:
            try:
                await crypto_pb2_grpc.CryptoServiceStub(channel).Encrypt(request, timeout=30)
            except grpc.aio.AioRpcError as error:
                codes.add(error.code().name)
    grown = one.rss_bytes() - resident
    report.injected["messages of 100 MB"] = 5
    report.counted["codes for messages of 100 MB"] = sorted(codes)
    report.counted["memory for messages of 100 MB"] = f"{grown / 1e6:+.1f} MB"
    report.expect(codes == {"RESOURCE_EXHAUSTED"}, f"messages of 100 MB ended with {codes}")
    report.expect(grown < LARGEST_GROWTH_BYTES, f"messages of 100 MB took {grown / 1e6:.0f} MB")


async def _settled(one: Service, expected: int) -> int:
    """Return how many files are open once no more are than expected, or once that took too long."""
    for _ in range(50):
        if one.open_files() <= expected:
            break
        await asyncio.sleep(0.1)
    return one.open_files()
