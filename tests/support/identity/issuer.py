"""The web server of a token issuer. Tests can make it misbehave."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable

    Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Issuer:
    """A server of one document.

    Attributes:
        answer: writes the response to a request.
        requests: the number of requests so far.
    """

    def __init__(self, document: bytes) -> None:
        self.answer = ok(document)
        self.requests = 0
        self.url = ""
        self.connections: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The event loop keeps only weak references to tasks.
        if (task := asyncio.current_task()) is not None:
            self.connections.add(task)
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.requests += 1
            await self.answer(writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client closed the connection, or the test ended
        finally:
            writer.close()


def ok(document: bytes) -> Answer:
    return raw(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(document), document))


def raw(response: bytes) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(response)
        await writer.drain()

    return answer


def dripping(head: bytes, drop: bytes) -> Answer:
    """A response that never ends: a few bytes every 50 ms."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not writer.is_closing():
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(0.05)

    return answer


async def silent(writer: asyncio.StreamWriter) -> None:
    """Send no response until the client closes the connection."""
    await writer.wait_closed()


@asynccontextmanager
async def running_issuer(document: bytes, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Issuer]:
    issuer = Issuer(document)
    server = await asyncio.start_server(issuer.serve, "127.0.0.1", ssl=tls)
    port = server.sockets[0].getsockname()[1]
    issuer.url = f"{'https' if tls else 'http'}://localhost:{port}/jwks.json"
    async with server:
        yield issuer
        server.close()
        for connection in issuer.connections:
            connection.cancel()
        await asyncio.gather(*issuer.connections, return_exceptions=True)
