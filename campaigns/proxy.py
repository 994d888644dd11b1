"""A network that campaigns can break: a TCP proxy in front of PostgreSQL's Unix socket."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_CHUNK_BYTES = 16 * 1024


class Network:
    """The network between the service and its database.

    Attributes:
        delay_seconds: the added delay of each chunk of data, in each direction.
    """

    def __init__(self) -> None:
        self.delay_seconds = 0.0
        self._open = asyncio.Event()
        self._open.set()
        self._is_cut = False
        self._writers: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Reset every connection and refuse new ones."""
        self._is_cut = True
        for writer in self._writers:
            writer.transport.abort()

    def drop_data(self) -> None:
        """Hold back all data, as if packets were lost. Connections stay open."""
        self._open.clear()

    def restore(self) -> None:
        """Work normally again."""
        self._is_cut, self.delay_seconds = False, 0.0
        self._open.set()

    async def forward(self, path: str, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """Forward one connection to the Unix socket at a path until either side closes it."""
        if self._is_cut:
            to_client.transport.abort()
            return
        server, to_server = await asyncio.open_unix_connection(path)
        self._writers |= {to_client, to_server}
        try:
            await asyncio.gather(self._pump(client, to_server), self._pump(server, to_client))
        finally:
            self._writers -= {to_client, to_server}

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
    """Put a network in front of a database whose URL has a Unix socket; yield the URL of the proxy and the network."""
    parts = urlsplit(url)
    socket = parse_qs(parts.query)
    path = f"{socket['host'][0]}/.s.PGSQL.{socket['port'][0]}"
    network = Network()
    server = await asyncio.start_server(lambda *streams: network.forward(path, *streams), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"postgresql://{parts.username}@127.0.0.1:{port}{parts.path}", network
    finally:
        network.cut()
        server.close()
