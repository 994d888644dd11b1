"""A minimal HTTP/2 client (RFC 9113) for unary gRPC calls, at a fifth of the cost of a gRPC client.

The load generator shares a CPU with PostgreSQL, so its own cost lowers the figures of the floors and the service. It
sends what a gRPC client sends. A call has succeeded if a message arrived before the trailers: a gRPC server reports an
error with trailers only.
"""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _ACK, _END_HEADERS = 0x1, 0x1, 0x4
_SETTINGS_INITIAL_WINDOW_SIZE = 4
_DEFAULT_WINDOW = 65_535
_LARGEST_WINDOW = 2**31 - 1
_FRAME = struct.Struct(">BHBBI")
_LENGTH_OF_MESSAGE = struct.Struct(">BI")
_INCREMENT = struct.Struct(">I")
_SETTING = struct.Struct(">HI")

# Indexes in HPACK's static table (RFC 7541, appendix A).
# In order: `:method: POST`, `:scheme: http`; the names `:authority` and `:path`.
_POST_OVER_HTTP = bytes([0x83, 0x86])
_AUTHORITY, _PATH = 1, 4
_FIRST_DYNAMIC = 62


class CallError(Exception):
    """A call failed, or the connection did."""


class Connection(asyncio.Protocol):
    """A connection for concurrent calls."""

    def __init__(self, authority: str, metadata: Sequence[tuple[str, str]]) -> None:
        """Encode the headers, which are the same for each call.

        Args:
            authority: host and port.
            metadata: the metadata of each call.
        """
        fields = [("te", "trailers"), ("content-type", "application/grpc"), *metadata]
        self._first_headers = _indexed(_AUTHORITY, "", authority) + b"".join(_indexed(0, *field) for field in fields)
        newest_first = range(_FIRST_DYNAMIC, _FIRST_DYNAMIC + len(fields) + 1)
        self._later_headers = bytes(0x80 | index for index in reversed(newest_first))
        self._headers = self._first_headers
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._answered: set[int] = set()
        self._held: list[bytes] = []
        self._next_stream = 1
        self._window = _DEFAULT_WINDOW
        self._received = 0
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open the flow-control window for responses of any size."""
        self._transport = cast("asyncio.WriteTransport", transport)
        settings = _SETTING.pack(_SETTINGS_INITIAL_WINDOW_SIZE, _LARGEST_WINDOW)
        self._transport.write(_PREFACE + _frame(_SETTINGS, 0, 0, settings) + _grant(_LARGEST_WINDOW - _DEFAULT_WINDOW))

    def call(self, path: str, message: bytes) -> asyncio.Future[None]:
        """Send a request. Return a future for the response, which raises CallError if there is no message."""
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[stream] = answered
        headers = _POST_OVER_HTTP + _literal(_PATH, path) + self._headers
        self._headers = self._later_headers
        self._transport.write(_frame(_HEADERS, _END_HEADERS, stream, headers))
        content = _LENGTH_OF_MESSAGE.pack(0, len(message)) + message
        self._held.append(_frame(_DATA, _END_STREAM, stream, content))
        self._send_held()
        return answered

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the calls in flight."""
        for answered in self._waiting.values():
            answered.set_exception(CallError(f"the connection was lost: {exc}"))
        self._waiting.clear()

    def data_received(self, data: bytes) -> None:
        """Process complete frames, and keep the rest."""
        data = self._rest + data
        at = 0
        while len(data) - at >= _FRAME.size:
            high, low, kind, flags, stream = _FRAME.unpack_from(data, at)
            end = at + _FRAME.size + (high << 16) + low
            if end > len(data):
                break
            self._take(kind, flags, stream, data[at + _FRAME.size : end])
            at = end
        self._rest = data[at:]

    def _take(self, kind: int, flags: int, stream: int, content: bytes) -> None:
        if kind == _HEADERS:
            if flags & _END_STREAM:
                self._end(stream)
        elif kind == _DATA:
            self._answered.add(stream)
            self._count(len(content))
        elif kind == _WINDOW_UPDATE:
            if stream == 0:
                self._window += _INCREMENT.unpack(content)[0]
                self._send_held()
        elif kind == _RST_STREAM:
            self._end(stream)
        elif kind == _GOAWAY:
            self._transport.abort()
        elif kind in (_SETTINGS, _PING) and not flags & _ACK:
            self._transport.write(_frame(kind, _ACK, 0, content if kind == _PING else b""))

    def _end(self, stream: int) -> None:
        answered = self._waiting.pop(stream, None)
        if answered is None:
            return
        if stream in self._answered:
            self._answered.remove(stream)
            answered.set_result(None)
        else:
            answered.set_exception(CallError("a call was answered by an error"))

    def _count(self, size: int) -> None:
        """Update the server's flow-control window from time to time."""
        self._received += size
        if self._received > _LARGEST_WINDOW // 2:
            self._transport.write(_grant(self._received))
            self._received = 0

    def _send_held(self) -> None:
        """Send as many messages as the flow-control window allows."""
        while self._held and len(self._held[0]) - _FRAME.size <= self._window:
            frame = self._held.pop(0)
            self._window -= len(frame) - _FRAME.size
            self._transport.write(frame)


def _frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    return _FRAME.pack(len(content) >> 16, len(content) & 0xFFFF, kind, flags, stream) + content


def _grant(size: int) -> bytes:
    return _frame(_WINDOW_UPDATE, 0, 0, _INCREMENT.pack(size))


def _indexed(name: int, text: str, value: str) -> bytes:
    """Return a header with incremental indexing (RFC 7541, 6.2.1)."""
    return _integer(name, bits=6, flags=0x40) + (b"" if name else _string(text)) + _string(value)


def _literal(name: int, value: str) -> bytes:
    """Return a header without indexing (RFC 7541, 6.2.2)."""
    return _integer(name, bits=4, flags=0) + _string(value)


def _string(text: str) -> bytes:
    return _integer(len(text), bits=7, flags=0) + text.encode("ascii")


def _integer(value: int, *, bits: int, flags: int) -> bytes:
    """Return an integer in HPACK's encoding (RFC 7541, 5.1)."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([flags | value])
    value -= most
    octets = [flags | most]
    while value >> 7:
        octets.append(0x80 | value & 0x7F)
        value >>= 7
    return bytes([*octets, value])
