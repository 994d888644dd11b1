from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
import psycopg
import pytest

from tests.support.refusals import refusal_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterable

CONNECTIONS = 4
POOL_SIZE = 20

LOCK_PROJECT = "SELECT FROM projects WHERE id = %s FOR UPDATE"
LOCK_ENVIRONMENT = "SELECT FROM environments WHERE id = %s FOR UPDATE"


async def outcomes(calls: Iterable[Awaitable[Any]]) -> tuple[list[Any], Counter[str]]:
    """Make all calls concurrently. Return the responses, and the number of refusals by reason."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    refusals: Counter[str] = Counter()
    for answer in answers:
        if isinstance(answer, grpc.aio.AioRpcError):
            refusals[refusal_of(answer).reason] += 1
        elif isinstance(answer, BaseException):
            raise answer
    return [answer for answer in answers if not isinstance(answer, BaseException)], refusals


@asynccontextmanager
async def blocking_transaction(
    database_url: str, statement: str, row_id: str, *, waiting: int = 1
) -> AsyncIterator[None]:
    """Run a statement in a transaction. Commit it at the end of the block, when `waiting` calls wait for a lock."""
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute(statement, [row_id])
        yield
        await until_calls_wait(database_url, waiting)


async def until_calls_wait(database_url: str, number: int) -> None:
    """Wait until exactly `number` connections wait for a lock."""
    statement = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        for _ in range(1000):
            if (await connection.execute(statement)).rowcount == number:
                return
            await asyncio.sleep(0.01)
    pytest.fail(f"{number} calls should wait for a lock")
