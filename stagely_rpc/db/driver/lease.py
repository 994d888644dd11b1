"""Connections of the pool, lent to one piece of work each."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self, cast

import psycopg
from psycopg import pq
from sqlalchemy.util import greenlet_spawn

from stagely_rpc.db.driver.pipeline import run
from stagely_rpc.db.driver.prepared import FORGOTTEN
from stagely_rpc.db.errors import is_of_outdated_plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import PoolProxiedConnection
    from sqlalchemy.ext.asyncio import AsyncEngine

    from stagely_rpc.db.driver.pipeline import Command
    from stagely_rpc.db.driver.pool import TrimmedPool
    from stagely_rpc.db.sql.statement import Query


class Lease:
    """A connection of the pool, lent to one piece of work: from `take` to `give_back`."""

    __slots__ = ("_connection", "_pool", "_prepared", "_proxied")

    def __init__(self, pool: TrimmedPool, proxied: PoolProxiedConnection) -> None:
        self._pool = pool
        self._proxied = proxied
        self._connection = cast("psycopg.AsyncConnection[Any]", proxied.driver_connection)
        self._prepared = pool.preparing.prepared_on(self._connection, proxied.info)

    @classmethod
    async def take(cls, engine: AsyncEngine) -> Lease:
        """Take a connection out of the pool, or wait for one.

        Raises:
            sqlalchemy.exc.TimeoutError: none came free in time.
            psycopg.Error: the database can't be reached.
        """
        pool = cast("TrimmedPool", engine.sync_engine.pool)
        return cls(pool, await greenlet_spawn(pool.connect))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.give_back()

    async def run(self, steps: Sequence[Query[Any] | Command]) -> list[Any]:
        """Send queries and commands together, and return the results.

        Raises:
            psycopg.Error: what went wrong with the first that failed.
        """
        was_idle = self._connection.pgconn.transaction_status == pq.TransactionStatus.IDLE
        try:
            return await run(self._connection, self._prepared, steps)
        except psycopg.errors.ReadOnlySqlTransaction:
            self._pool.distrust(self._proxied)
            raise
        except psycopg.Error as error:
            if not self._unprepares(error) or not was_idle:
                raise
        return await self._run_again(steps)

    def _unprepares(self, error: psycopg.Error) -> bool:
        """Tell whether only preparing is to blame for an error; if so, nothing is prepared on this lease any more."""
        if isinstance(error, FORGOTTEN):
            self._pool.preparing.give_up()
        elif is_of_outdated_plan(error):
            self._pool.preparing.outdate(self._prepared)
        else:
            return False
        self._prepared = None
        return True

    async def _run_again(self, steps: Sequence[Query[Any] | Command]) -> list[Any]:
        """Send what had no effect, for it was the whole of a transaction that failed."""
        if self._connection.pgconn.transaction_status != pq.TransactionStatus.IDLE:
            await run(self._connection, None, [b"ROLLBACK"])
        return await run(self._connection, None, steps)

    async def give_back(self) -> None:
        """End whatever transaction is open, and put the connection back into the pool; a broken one is closed.

        It is done to its end even if the caller is cancelled meanwhile.
        """
        pgconn = self._connection.pgconn
        is_whole = pgconn.pipeline_status == pq.PipelineStatus.OFF
        if is_whole and pgconn.transaction_status == pq.TransactionStatus.IDLE:
            await greenlet_spawn(self._proxied.close)
        else:
            await asyncio.shield(asyncio.create_task(self._clean_up(is_whole=is_whole), name="connection clean-up"))

    async def _clean_up(self, *, is_whole: bool) -> None:
        try:
            if is_whole:
                await self.run([b"ROLLBACK"])
        except psycopg.Error:
            is_whole = False
        if not is_whole:
            self._pool.distrust(self._proxied)
            await greenlet_spawn(self._proxied.invalidate)
        await greenlet_spawn(self._proxied.close)
