"""A lease of a connection. It converts the errors of the driver into domain errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, cast

import psycopg
from psycopg import pq
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.util import greenlet_spawn

from stagely_rpc.db.driver.observer import Timed
from stagely_rpc.db.driver.pipeline import run
from stagely_rpc.db.driver.prepared import LOST_STATEMENT_ERRORS
from stagely_rpc.db.errors import DATABASE_ERRORS, domain_error, is_connection_lost, is_outdated_plan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Executable, PoolProxiedConnection, Result
    from sqlalchemy.engine import FrozenResult
    from sqlalchemy.ext.asyncio import AsyncEngine

    from stagely_rpc.db.driver.observer import Kind
    from stagely_rpc.db.driver.pipeline import Command
    from stagely_rpc.db.driver.pool import ConnectionPool
    from stagely_rpc.db.sql.statement import Query


class Lease:
    """A leased connection of the pool. `close` returns it.

    Attributes:
        is_broken: whether the connection broke, so that a retry on another connection makes sense.
        generation: the pool's generation when the connection was opened.
    """

    __slots__ = ("_driver", "_engine", "_orm", "_pool", "_prepared", "_proxied", "generation", "is_broken")

    def __init__(
        self, pool: ConnectionPool, engine: AsyncEngine, proxied: PoolProxiedConnection, generation: int
    ) -> None:
        """Take a connection that was checked out of the engine's pool."""
        self._pool = pool
        self._engine = engine
        self._proxied = proxied
        self._driver = cast("psycopg.AsyncConnection[Any]", proxied.driver_connection)
        self.generation = generation
        self._prepared = pool.prepared.on(self._driver, proxied.info)
        self._orm: AsyncSession | None = None
        self.is_broken = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def run(self, kind: Kind, steps: Sequence[Query[Any] | Command]) -> list[Any]:
        """Send queries and commands in one round trip, and return the results.

        Raises:
            StagelyError: the first failed query or command.
            UnexpectedDatabaseError: a constraint was violated, or this service has a bug.
        """
        try:
            with Timed(self._pool.observer.exchanged, kind, steps):
                return await self._run(steps)
        except DATABASE_ERRORS as error:
            raise self._domain_error(error) from None

    async def execute(
        self, kind: Kind, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Result[*tuple[Any, ...]]:
        """Execute a statement as a session of SQLAlchemy does, and return its rows.

        Raises:
            StagelyError: the database refused the statement or is unavailable.
            UnexpectedDatabaseError: a constraint was violated, or this service has a bug.
        """
        if self._orm is None:
            # Created on first use, because SQLAlchemy's connection costs as much as the checkout.
            connection = AsyncConnection(self._engine, Connection(self._engine.sync_engine, connection=self._proxied))
            self._orm = AsyncSession(connection, autoflush=False, expire_on_commit=False)
        try:
            with Timed(self._pool.observer.exchanged, kind, ()):
                return await self._orm.execute(statement, parameters)
        except DATABASE_ERRORS as error:
            raise self._domain_error(error) from None

    async def fetch(
        self, kind: Kind, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> FrozenResult[Any]:
        """Execute a statement, and return its rows, which stay available after `close`.

        Raises:
            StagelyError: the database refused the statement or is unavailable.
        """
        return (await self.execute(kind, statement, parameters)).freeze()

    async def close(self) -> None:
        """Roll back an open transaction, and return the connection to the pool. A broken connection is closed.

        This completes even if the caller is cancelled.
        """
        if self._is_idle():
            # Sends nothing, so no cancellation can interrupt it.
            await self._release()
        else:
            await self._pool.clean_up(self._clean_up())

    def _is_idle(self) -> bool:
        pgconn = self._driver.pgconn
        is_idle = pgconn.transaction_status == pq.TransactionStatus.IDLE
        return is_idle and pgconn.pipeline_status == pq.PipelineStatus.OFF

    async def _run(self, steps: Sequence[Query[Any] | Command]) -> list[Any]:
        was_idle = self._driver.pgconn.transaction_status == pq.TransactionStatus.IDLE
        try:
            return await run(self._driver, self._prepared, steps)
        except psycopg.errors.ReadOnlySqlTransaction:
            self._pool.replace_generation_of(self)
            raise
        except psycopg.Error as error:
            if not self._stop_preparing_after(error) or not was_idle:
                raise
        return await self._run_again(steps)

    def _stop_preparing_after(self, error: psycopg.Error) -> bool:
        """Return whether a prepared statement caused the error. If so, this lease prepares no more statements."""
        if isinstance(error, LOST_STATEMENT_ERRORS):
            self._pool.prepared.disable()
        elif is_outdated_plan(error):
            self._pool.prepared.start_generation(self._prepared)
        else:
            return False
        self._prepared = None
        return True

    async def _run_again(self, steps: Sequence[Query[Any] | Command]) -> list[Any]:
        """Send the steps again. They had no effect, because their transaction failed as a whole."""
        if self._driver.pgconn.transaction_status != pq.TransactionStatus.IDLE:
            await run(self._driver, None, [b"ROLLBACK"])
        return await run(self._driver, None, steps)

    def _domain_error(self, error: BaseException) -> Exception:
        self.is_broken = is_connection_lost(error)
        return domain_error(error)

    async def _clean_up(self) -> None:
        try:
            if self._driver.pgconn.pipeline_status == pq.PipelineStatus.OFF:
                await run(self._driver, None, [b"ROLLBACK"])
        except psycopg.Error:
            self.is_broken = True
        if not self._is_idle():
            self._pool.replace_generation_of(self)
            if self._proxied.is_valid:
                await greenlet_spawn(self._proxied.invalidate)
        await self._release()

    async def _release(self) -> None:
        if self._orm is not None:
            await self._orm.close()
        await greenlet_spawn(self._proxied.close)
        self._pool.note_release()
