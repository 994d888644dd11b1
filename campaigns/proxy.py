"""A network that can be cut and slowed: a TCP port in front of PostgreSQL's Unix socket."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_CHUNK_BYTES = 16 * 1024


class Network:
    """What lies between the service and its database.

    Attributes:
        delay_seconds: so much later does each piece of data arrive, in each direction.
    """

    def __init__(self) -> None:
        self.delay_seconds = 0.0
        self._open = asyncio.Event()
        self._open.set()
        self._is_cut = False
        self._writers: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Reset every connection, and refuse new ones."""
        self._is_cut = True
        for writer in self._writers:
            writer.transport.abort()

    def swallow(self) -> None:
        """Let nothing through, and say nothing of it: packets are lost."""
        self._open.clear()

    def heal(self) -> None:
        """Let everything through again."""
        self._is_cut, self.delay_seconds = False, 0.0
        self._open.set()

    async def carry(self, path: str, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        """Carry one connection to the Unix socket at a path, until either side closes it."""
        if self._is_cut:
            back.transport.abort()
            return
        server, forth = await asyncio.open_unix_connection(path)
        self._writers |= {back, forth}
        try:
            await asyncio.gather(self._pump(client, forth), self._pump(server, back))
        finally:
            self._writers -= {back, forth}

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await source.read(_CHUNK_BYTES):
                await self._open.wait()
                await asyncio.sleep(self.delay_seconds)
                sink.write(data)
                await sink.drain()
        sink.close()


@asynccontextmanager
async def network_to(url: str) -> AsyncIterator[tuple[str, Network]]:
    """Put a network between the service and the database of a URL with a Unix socket; give the URL through it."""
    parts = urlsplit(url)
    socket = parse_qs(parts.query)
    path = f"{socket['host'][0]}/.s.PGSQL.{socket['port'][0]}"
    network = Network()
    server = await asyncio.start_server(lambda *streams: network.carry(path, *streams), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"postgresql://{parts.username}@127.0.0.1:{port}{parts.path}", network
    finally:
        network.cut()
        server.close()
