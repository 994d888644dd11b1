"""Campaign: many hostile clients at a time, next to normal callers.

Each kind of client does one of these: sends nothing, stays idle, sends a request or headers very slowly, does not read
the response, or sends an HPACK bomb. Last come messages of 100 MB.

Measured: the growth of the server's memory for each kind, the codes of the large messages, and open files before and
after.
Must hold: every call of the normal callers succeeds, memory grows by less than 300 MB for each kind, large messages get
RESOURCE_EXHAUSTED, and no file stays open.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import grpc

from campaigns.ledger import Ledger
from campaigns.load import Load
from campaigns.report import Report
from campaigns.service_process import running_service
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

    from campaigns.service_process import ServiceProcess

CALLERS, CALLS_PER_SECOND = 10, 50
TICK_SECONDS = 0.5
LARGE_BYTES = 100 * 1024 * 1024
MAX_GROWTH_BYTES = 300_000_000

OPEN = PREFACE + frame(SETTINGS)
LIST = {":path": "/stagely.v1.TeamService/ListTeams"}
_REQUEST = message(team_pb2.ListTeamsRequest(page_size=500).SerializeToString())
# One field of 4 KiB enters the HPACK table. Each later byte then decodes to the whole field (RFC 7541, 7.3).
_BOMB = fields() + b"\x40\x04bomb\x7f\x81\x1f" + bytes(4096) + b"\xbe" * 11_000

FIRST_BYTES: dict[str, bytes] = {
    "that send nothing": b"",
    "that are idle": OPEN,
    "that send a request byte by byte": call(b"", end=False, changes=LIST),
    "that never end their headers": OPEN + frame(HEADERS, fields(), stream=1),
    "that do not read the response": call(_REQUEST, changes=LIST),
    "that send HPACK bombs": OPEN + frame(HEADERS, _BOMB[:16_000], flags=END_HEADERS, stream=1),
}
"""What each kind of client sends first."""

LATER_BYTES: dict[str, bytes] = {
    "that send a request byte by byte": frame(DATA, b"\0", stream=1),
    "that never end their headers": frame(CONTINUATION, b"x", stream=1),
}
"""What a kind of client sends after that, every 0.5 s."""


async def run(clients: int = 1000, seconds: float = 60) -> Report:
    """Connect `clients` clients of each kind for `seconds`."""
    report = Report("hostile_clients")
    with own_postgres() as postgres:
        async with running_service(postgres.url) as service:
            load = Load(service.address, Ledger(), calls_per_second=CALLS_PER_SECOND)
            async with load.running(CALLERS):
                await load.wait_for_responses(2 * CALLS_PER_SECOND)
                before = service.open_files()
                for kind in FIRST_BYTES:
                    await _attack(report, service, kind, clients, seconds)
                await _send_too_much(report, service)
                await load.wait_for_responses(2 * CALLS_PER_SECOND)
            refused = {code: number for (_, code), number in load.codes.items() if code != "OK"}
            report.expect(not refused, f"calls of normal callers failed: {refused}")
            load.add_to(report)
            left = await _settled(service, before)
            report.counted["open files, before and after"] = f"{before}, {left}"
            report.expect(left <= before, f"{left - before} more files are open than before")
    return report


async def _attack(report: Report, service: ServiceProcess, kind: str, clients: int, seconds: float) -> None:
    resident = service.rss_bytes()
    async with AsyncExitStack() as stack:
        writers = [await stack.enter_async_context(_client(service, FIRST_BYTES[kind])) for _ in range(clients)]
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        while loop.time() < ends:
            for writer in writers:
                if not writer.is_closing():
                    writer.write(LATER_BYTES.get(kind, b""))
            await asyncio.sleep(TICK_SECONDS)
        grown = service.rss_bytes() - resident
    report.injected[f"clients {kind}"] = f"{clients} for {seconds:g} s"
    report.counted[f"memory for clients {kind}"] = f"{grown / 1e6:+.1f} MB"
    report.expect(grown < MAX_GROWTH_BYTES, f"clients {kind} took {grown / 1e6:.0f} MB")


@asynccontextmanager
async def _client(service: ServiceProcess, first_bytes: bytes) -> AsyncIterator[asyncio.StreamWriter]:
    # The response does not fit the small buffer, so the server must cope with clients that do not read.
    _, writer = await asyncio.open_connection("127.0.0.1", service.port, limit=1024)
    writer.write(first_bytes)
    try:
        yield writer
    finally:
        writer.transport.abort()


async def _send_too_much(report: Report, service: ServiceProcess) -> None:
    options = [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
    request = crypto_pb2.EncryptRequest(key=bytes(32), plaintext=bytes(LARGE_BYTES))
    resident, codes = service.rss_bytes(), set()
    for _ in range(5):
        async with grpc.aio.insecure_channel(service.address, options=options) as channel:
            try:
                await crypto_pb2_grpc.CryptoServiceStub(channel).Encrypt(request, timeout=30)
            except grpc.aio.AioRpcError as error:
                codes.add(error.code().name)
    grown = service.rss_bytes() - resident
    report.injected["messages of 100 MB"] = 5
    report.counted["codes for messages of 100 MB"] = sorted(codes)
    report.counted["memory for messages of 100 MB"] = f"{grown / 1e6:+.1f} MB"
    report.expect(codes == {"RESOURCE_EXHAUSTED"}, f"messages of 100 MB ended with {codes}")
    report.expect(grown < MAX_GROWTH_BYTES, f"messages of 100 MB took {grown / 1e6:.0f} MB")


async def _settled(service: ServiceProcess, expected: int) -> int:
    """Wait up to 5 s until at most the expected number of files is open; return the number of open files."""
    for _ in range(50):
        if service.open_files() <= expected:
            break
        await asyncio.sleep(0.1)
    return service.open_files()
