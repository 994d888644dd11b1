"""HTTP/2 and gRPC frames written by hand, to send what no client library would send (RFC 9113, RFC 7541)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9

END_STREAM = 0x1
END_HEADERS = 0x4

_FRAME_HEAD_BYTES = 9


def frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0, length: int | None = None) -> bytes:
    """Return a frame. `length` overrides the length in its header."""
    stated = len(payload) if length is None else length
    return stated.to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def fields(changes: Mapping[str, str | None] | None = None) -> bytes:
    """Return the header block of a gRPC call, with literal fields. A change to None removes a field."""
    headers: dict[str, str | None] = {
        ":method": "POST",
        ":scheme": "http",
        ":path": "/grpc.health.v1.Health/Check",
        ":authority": "localhost",
        "content-type": "application/grpc",
        "te": "trailers",
    }
    headers |= changes or {}
    return b"".join(_literal(name, value) for name, value in headers.items() if value is not None)


def _literal(name: str, value: str) -> bytes:
    return b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def call(*data: bytes, end: bool = True, changes: Mapping[str, str | None] | None = None) -> bytes:
    """Return the bytes of a connection with one call. Each piece of data is a frame."""
    frames = [frame(HEADERS, fields(changes), flags=END_HEADERS, stream=1)]
    frames += [frame(DATA, piece, stream=1) for piece in data]
    if end:
        frames.append(frame(DATA, flags=END_STREAM, stream=1))
    return PREFACE + frame(SETTINGS) + b"".join(frames)


def message(body: bytes, *, compressed: int = 0, length: int | None = None) -> bytes:
    """Return a gRPC message. `length` overrides the length in its header."""
    return bytes([compressed]) + (len(body) if length is None else length).to_bytes(4, "big") + body


def payloads(answer: bytes, kind: int) -> list[bytes]:
    """Return the payloads of the frames of one kind in a server's answer."""
    found = []
    while len(answer) >= _FRAME_HEAD_BYTES:
        end = _FRAME_HEAD_BYTES + int.from_bytes(answer[:3], "big")
        if answer[3] == kind:
            found.append(answer[_FRAME_HEAD_BYTES:end])
        answer = answer[end:]
    return found


async def exchange(port: int, what: bytes, *, seconds: float = 0.05, until: bytes | None = None) -> bytes:
    """Connect, send bytes, wait for an answer and abort the connection. Return the bytes received until then."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    with suppress(ConnectionError, TimeoutError):
        writer.write(what)
        await writer.drain()
        async with asyncio.timeout(seconds):
            while (until is None or until not in answer) and (part := await reader.read(65_536)):
                answer += part
    writer.transport.abort()
    return answer
