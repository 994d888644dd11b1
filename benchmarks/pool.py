"""The floors' pool: connections and nothing else."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import namedtuple_row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

POOL_SIZE = 25
"""The number of connections of each measured server."""


class Pool:
    """Connections for one call each. The last returned one is used first."""

    def __init__(self) -> None:
        self._idle: asyncio.LifoQueue[psycopg.AsyncConnection[Any]] = asyncio.LifoQueue()

    async def open(self, conninfo: str) -> None:
        """Connect."""
        for _ in range(POOL_SIZE):
            connection = await psycopg.AsyncConnection.connect(conninfo, autocommit=True, row_factory=namedtuple_row)
            self._idle.put_nowait(connection)

    async def fetch(self, statement: str, *values: object) -> list[Any]:
        """Return the rows of one statement."""
        async with self._connection() as connection:
            cursor = await connection.execute(statement, values, prepare=True)
            return await cursor.fetchall()

    async def write(self, statement: str, values: Mapping[str, object]) -> Any:  # noqa: ANN401 - a row of any shape
        """Execute a statement in a transaction, as three round trips, and return the row that it returns."""
        async with self._connection() as connection:
            await connection.execute("BEGIN", prepare=True)
            cursor = await connection.execute(statement, values, prepare=True)
            row = await cursor.fetchone()
            await connection.execute("COMMIT", prepare=True)
        return row

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        connection = await self._idle.get()
        try:
            yield connection
        finally:
            self._idle.put_nowait(connection)
