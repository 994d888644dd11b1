"""A server for tests with bad input: sends many requests concurrently, and checks that the server still works."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import grpc
import psycopg
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.support.seeds import seed
from tests.support.world import World, call_rpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from tests.support.methods import Method

Case = TypeVar("Case")

_COLUMNS = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2"
_IN_FLIGHT = 16
_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class FuzzServer:
    """A running server and a client."""

    database_url: str
    port: int
    channel: grpc.aio.Channel

    async def send(self, method: Method, raw: bytes) -> grpc.aio.AioRpcError | None:
        """Call an RPC with raw request bytes. Return the error; None if the call succeeded."""
        try:
            if method.is_streaming:
                stream: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = self.channel.unary_stream(method.path)
                _ = [response async for response in stream(raw, timeout=_TIMEOUT_SECONDS)]
            else:
                call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(method.path)
                await call(raw, timeout=_TIMEOUT_SECONDS)
        except grpc.aio.AioRpcError as error:
            return error
        return None

    @asynccontextmanager
    async def unharmed(self) -> AsyncIterator[None]:
        """Expect that the block leaves the database schema unchanged and the server working."""
        before = await self._schema()
        yield
        assert await self._schema() == before
        await self.expect_serving()

    async def expect_serving(self) -> None:
        """Expect that the server is healthy and can write."""
        health = health_pb2_grpc.HealthStub(self.channel)
        answer = await health.Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        name = "TeamService.CreateTeam"
        assert (await call_rpc(self.channel, name, seed(name, World()))).team.id

    async def _schema(self) -> list[tuple[str, str]]:
        async with await psycopg.AsyncConnection.connect(self.database_url) as connection:
            cursor = await connection.execute(_COLUMNS)
            columns = await cursor.fetchall()
        assert len({table for table, _ in columns}) > 12
        return columns


async def run_concurrently(
    cases: Iterable[Case], worker: Callable[[], Callable[[Case], Awaitable[list[str]]]]
) -> list[str]:
    """Run all cases with concurrent workers. Return the complaints of all cases.

    Args:
        cases: the inputs of the workers.
        worker: creates a worker, which runs one case at a time and returns its complaints.
    """
    found: list[str] = []
    left = iter(cases)

    async def work() -> None:
        run = worker()
        for case in left:
            found.extend(await run(case))

    async with asyncio.TaskGroup() as group:
        for _ in range(_IN_FLIGHT):
            group.create_task(work())
    return found
