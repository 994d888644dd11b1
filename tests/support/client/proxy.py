"""A TCP proxy before a server, which can lose answers as networks do."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CHUNK_BYTES = 65_536


class Proxy:
    """Forwards what comes on a port of its own."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._answers_pass = asyncio.Event()
        self._answers_pass.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    def hold_answers(self) -> None:
        """Let requests through and keep what is answered."""
        self._answers_pass.clear()

    def cut(self) -> None:
        """Lose what is kept with every connection, and serve new ones."""
        for writer in self._writers:
            writer.transport.abort()
        self._answers_pass.set()

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        ends = {writer, server_writer}
        self._writers |= ends
        try:
            async with asyncio.TaskGroup() as forwarding:
                forwarding.create_task(self._forward_requests(reader, server_writer))
                forwarding.create_task(self._forward_answers(server_reader, writer))
        finally:
            self._writers -= ends
            for end in ends:
                end.close()

    async def _forward_requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await _read(reader):
            writer.write(chunk)
        writer.close()

    async def _forward_answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await _read(reader):
            await self._answers_pass.wait()
            if not writer.transport.is_closing():
                writer.write(chunk)
        writer.close()


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(CHUNK_BYTES)
    except ConnectionError:
        return b""


@asynccontextmanager
async def proxied(server_port: int) -> AsyncIterator[Proxy]:
    proxy = Proxy(server_port)
    server = await asyncio.start_server(proxy.connect, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        proxy.cut()
        server.close()
        await server.wait_closed()
