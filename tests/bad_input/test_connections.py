from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from tests.support.eventually import eventually
from tests.support.http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    call,
    exchange,
    fields,
    frame,
    message,
    payloads,
)

if TYPE_CHECKING:
    from tests.support.fuzz_server import FuzzServer

OPEN = PREFACE + frame(SETTINGS)
NOISE = random.Random(20261122).randbytes(4096)  # noqa: S311 - must be reproducible
BODY = b"\x0a\x08liveness"
SERVING = b"\x08\x01"

CONNECTIONS = {
    "noise": NOISE,
    "HTTP/1.1": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + NOISE[:500],
    "nothing": b"",
    "half a preface": PREFACE[:12],
    "only a preface": PREFACE,
    "noise after the preface": PREFACE + NOISE,
    "noise after the settings": OPEN + NOISE,
    "a frame longer than its connection": OPEN + frame(HEADERS, b"", flags=END_HEADERS, stream=1, length=1000),
    "a frame longer than allowed": OPEN + frame(DATA, b"", stream=1, length=2**24 - 1),
    "data before headers": OPEN + frame(DATA, message(BODY), flags=END_STREAM, stream=1),
    "data on stream 0": OPEN + frame(DATA, message(BODY), stream=0),
    "headers without an end": OPEN + frame(HEADERS, fields(), stream=1) + frame(DATA, b"", stream=1),
    "a continuation without headers": OPEN + frame(CONTINUATION, fields(), flags=END_HEADERS, stream=1),
    "headers that are not HPACK": OPEN + frame(HEADERS, b"\xff" * 100, flags=END_HEADERS, stream=1),
    "an even stream": OPEN + frame(HEADERS, fields(), flags=END_HEADERS, stream=2),
    "bad settings": PREFACE + frame(SETTINGS, b"\x00\x04\xff\xff\xff\xff\x00"),
    "a window update of zero": OPEN + frame(WINDOW_UPDATE, bytes(4)),
    "a short ping": OPEN + frame(PING, b"abc"),
    "an immediate GOAWAY": OPEN + frame(GOAWAY, bytes(8)),
    "no path": call(message(BODY), changes={":path": None}),
    "no method": call(message(BODY), changes={":method": None}),
    "another method": call(message(BODY), changes={":method": "GET"}),
    "an unknown path": call(message(BODY), changes={":path": "/grpc.health.v1.Health/../../etc/passwd"}),
    "another content type": call(message(BODY), changes={"content-type": "application/json"}),
    "an unknown encoding": call(message(BODY, compressed=1), changes={"grpc-encoding": "lzma"}),
    "compressed without an encoding": call(message(BODY, compressed=1)),
    "a false compressed flag": call(message(NOISE, compressed=1), changes={"grpc-encoding": "gzip"}),
    "an unknown flag": call(message(BODY, compressed=0x7F)),
    "a bad timeout": call(message(BODY), changes={"grpc-timeout": "soon"}),
    "no data": call(),
    "empty data": call(b"", b""),
    "an empty message": call(message(b"")),
    "half a length": call(message(BODY)[:3]),
    "a length without a message": call(message(BODY)[:5]),
    "a message longer than its data": call(message(BODY, length=1000)),
    "a message longer than allowed": call(message(BODY, length=2**32 - 1)),
    "a message shorter than its data": call(message(BODY, length=2)),
    "two messages": call(message(BODY), message(BODY)),
    "a message byte by byte": call(*(bytes([byte]) for byte in message(BODY))),
    "a cut in the middle of a frame": call(message(BODY), end=False)[:-4],
    "a cut in the middle of a message": call(message(BODY, length=1000), end=False),
    "a cut after the message": call(message(BODY), end=False),
    "an immediate reset": call(message(BODY), end=False) + frame(RST_STREAM, b"\x00\x00\x00\x08", stream=1),
    "data after the end of the stream": call(message(BODY)) + frame(DATA, message(BODY), stream=1),
}


@pytest.mark.parametrize("what", CONNECTIONS.values(), ids=CONNECTIONS)
async def test_broken_connection_does_not_affect_others(fuzz_server: FuzzServer, what: bytes) -> None:
    tasks = len(asyncio.all_tasks())

    await asyncio.gather(*(exchange(fuzz_server.port, what) for _ in range(5)))

    await fuzz_server.expect_serving()
    await expect_no_more_tasks(tasks)


async def test_many_aborted_calls_leave_no_tasks_behind(fuzz_server: FuzzServer) -> None:
    tasks = len(asyncio.all_tasks())
    cut = call(message(BODY, length=1000), end=False)

    await asyncio.gather(*(exchange(fuzz_server.port, cut, seconds=0.2) for _ in range(100)))

    await fuzz_server.expect_serving()
    await expect_no_more_tasks(tasks)


async def test_handwritten_call_is_answered(fuzz_server: FuzzServer) -> None:
    """The handwritten frames are right: a valid call with them succeeds."""
    answer = await exchange(fuzz_server.port, call(message(b"")), seconds=10, until=SERVING)

    assert payloads(answer, DATA) == [message(SERVING)]


async def expect_no_more_tasks(than: int) -> None:
    """Wait until the tasks of the connections have ended."""

    async def are_left() -> bool:
        return len(asyncio.all_tasks()) > than

    await eventually(are_left, expected=False)
