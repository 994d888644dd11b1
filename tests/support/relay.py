"""A TCP relay to PostgreSQL that can be frozen. A frozen relay accepts connections and data, but forwards nothing."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from psycopg.conninfo import conninfo_to_dict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Relay:
    """A relay that counts its clients' connections.

    Attributes:
        url: the database's URL through the relay.
        open: how many connections are open.
        most_open: the highest number of open connections since the last freeze.
        accepted: how many connections the relay accepted in total.
    """

    def __init__(self, url: str) -> None:
        self.url = ""
        self.open = 0
        self.most_open = 0
        self.accepted = 0
        self._target = conninfo_to_dict(url)
        self._connections: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}
        self._flowing = asyncio.Event()
        self._flowing.set()

    def freeze(self) -> None:
        self._flowing.clear()
        self.most_open = self.open

    def thaw(self) -> None:
        self._flowing.set()

    def set_port(self, port: int) -> None:
        password = f":{self._target['password']}" if "password" in self._target else ""
        user, name = self._target.get("user", ""), self._target["dbname"]
        self.url = f"postgresql://{user}{password}@127.0.0.1:{port}/{name}?sslmode=disable"

    async def close(self) -> None:
        """Abort every connection, and wait for the tasks that serve them."""
        serving = [task for task in self._connections if task is not None]
        for writer in self._connections.values():
            writer.transport.abort()
        await asyncio.gather(*serving)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._connections[task] = writer
        self.accepted += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        received: asyncio.Queue[bytes] = asyncio.Queue()
        relaying = asyncio.create_task(self._relay(received, writer))
        with suppress(ConnectionError):
            while part := await reader.read(65_536):
                received.put_nowait(part)
        self.open -= 1
        await _end(relaying)
        writer.close()
        del self._connections[task]

    async def _relay(self, received: asyncio.Queue[bytes], writer: asyncio.StreamWriter) -> None:
        await self._flowing.wait()
        reader, upstream = await self._connect()
        responding = asyncio.create_task(self._respond(reader, writer))
        try:
            while True:
                part = await received.get()
                await self._flowing.wait()
                upstream.write(part)
        finally:
            await _end(responding)
            upstream.close()

    async def _respond(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while part := await reader.read(65_536):
            await self._flowing.wait()
            writer.write(part)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = str(self._target.get("host", "")), self._target.get("port", 5432)
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, int(port or 5432))


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


@asynccontextmanager
async def relay_to(url: str) -> AsyncIterator[Relay]:
    relay = Relay(url)
    server = await asyncio.start_server(relay.serve, "127.0.0.1")
    relay.set_port(server.sockets[0].getsockname()[1])
    try:
        yield relay
    finally:
        server.close()
        await relay.close()
