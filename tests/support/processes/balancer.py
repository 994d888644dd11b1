"""A TCP load balancer that works like a Kubernetes Service: only new connections go to the backends that are ready."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.support.eventually import eventually
from tests.support.processes.service import START_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SERVING = health_pb2.HealthCheckResponse.SERVING
CHECK_SECONDS = 1.0

_CHUNK_BYTES = 65_536


@dataclass
class Balancer:
    """Spreads connections over backends, and checks each second which of them are ready.

    Attributes:
        ports: the ports for clients. There are several, because gRPC clients in one process share a connection to one
            address.
        ready: the backends that were ready at the last check.
    """

    ports: list[int] = field(default_factory=list)
    ready: set[str] = field(default_factory=set)
    _watching: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    def add(self, address: str) -> None:
        """Add a backend and start checking it."""
        self._watching[address] = asyncio.create_task(self._watch(address), name=f"watch {address}")

    async def remove(self, address: str) -> None:
        """Remove a backend and stop checking it."""
        watching = self._watching.pop(address)
        watching.cancel()
        await asyncio.wait([watching])
        self.ready.discard(address)

    async def close(self) -> None:
        """Remove all backends."""
        for address in list(self._watching):
            await self.remove(address)

    async def expect_ready(self, count: int) -> None:
        """Wait until `count` backends are ready."""

        async def ready() -> int:
            return len(self.ready)

        await eventually(ready, count, seconds=START_SECONDS)

    async def _watch(self, address: str) -> None:
        async with grpc.aio.insecure_channel(address) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            while True:
                await self._check(address, health)
                await asyncio.sleep(CHECK_SECONDS)

    async def _check(self, address: str, health: health_pb2_grpc.HealthStub) -> None:
        try:
            answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=CHECK_SECONDS)
            is_ready = answer.status == SERVING
        except grpc.aio.AioRpcError:
            is_ready = False
        (self.ready.add if is_ready else self.ready.discard)(address)

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect a client to a backend that was ready at the last check."""
        try:
            host, _, port = random.choice(sorted(self.ready)).rpartition(":")  # noqa: S311 - no secret
            server_reader, server_writer = await asyncio.open_connection(host, int(port))
        except (IndexError, OSError):
            writer.transport.abort()
            return
        directions = (reader, server_writer), (server_reader, writer)
        await asyncio.wait([asyncio.create_task(_forward(*direction)) for direction in directions])


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    except ConnectionError:
        writer.transport.abort()
    else:
        writer.close()


@asynccontextmanager
async def balancing(ports: int) -> AsyncIterator[Balancer]:
    """Run a balancer without backends."""
    balancer = Balancer()
    async with AsyncExitStack() as running:
        for _ in range(ports):
            server = await running.enter_async_context(await asyncio.start_server(balancer.connect, "127.0.0.1", 0))
            balancer.ports.append(server.sockets[0].getsockname()[1])
        try:
            yield balancer
        finally:
            await balancer.close()
