"""The database, and the ways in: `read` and `write` for calls, `maintain` for the service's own work."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

import psycopg
from sqlalchemy.ext.asyncio import AsyncSession

from stagely_rpc.call import current_call
from stagely_rpc.db.batching.batches import Batches
from stagely_rpc.db.driver.lease import Lease
from stagely_rpc.db.driver.observer import NULL_OBSERVER, Timed
from stagely_rpc.db.driver.pool import PoolLimits, Trimmer, engine_of
from stagely_rpc.db.driver.pool_state import PoolState
from stagely_rpc.db.errors import DATABASE_ERRORS, domain_error, domain_errors, is_broken_off
from stagely_rpc.db.session import Session
from stagely_rpc.db.write_session import WriteSession

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stagely_rpc.db.batching.point_read import PointRead
    from stagely_rpc.db.driver.observer import Kind, Observer
    from stagely_rpc.db.driver.pool import TrimmedPool
    from stagely_rpc.db.idempotency import IdempotencyStore
    from stagely_rpc.db.sql.statement import Query

Row = TypeVar("Row")


class Database:
    """One PostgreSQL database, as the servicers use it."""

    def __init__(
        self,
        url: str,
        limits: PoolLimits,
        answers: IdempotencyStore,
        observer: Observer = NULL_OBSERVER,
    ) -> None:
        """Prepare the pool; nothing connects yet.

        Args:
            url: a libpq URL (`postgresql://` or `postgres://`) with any of libpq's parameters. libpq itself reads it.
            limits: of the pool.
            answers: keeps the answers of requests that may be repeated.
            observer: told of what is asked, and of connections.
        """
        self._answers = answers
        self._engine = engine_of(url, limits)
        self._maintainer = self._engine.execution_options(isolation_level="READ COMMITTED")
        self._trimmer = Trimmer(self._engine, limits.idle)
        self._batches = Batches(self._exchange, observer)
        self._observer = observer
        self._pool = cast("TrimmedPool", self._engine.sync_engine.pool)
        self._pool.watch(observer)

    async def start(self) -> None:
        """Connect, and begin to close connections that no load asks for.

        Raises:
            UnavailableError: the database can't be reached.
        """
        with domain_errors():
            async with await Lease.take(self._engine):
                pass
        self._trimmer.start()

    async def close(self) -> None:
        """Close every connection."""
        await self._batches.close()
        await self._trimmer.stop()
        await self._engine.dispose()

    def connections(self) -> PoolState:
        """Return how the pool is at this moment."""
        pool = self._pool
        return PoolState(pool.checkedout(), pool.checkedin(), pool.size(), pool.waiting)

    def renew(self) -> None:
        """Have every connection that there is now replaced when it is next used."""
        self._pool.renew()

    def stalled_seconds(self) -> float:
        """Return for how long a call has wanted a connection while all were in use and none was given back."""
        return self._pool.stalled_seconds

    def read(self) -> Session:
        """Return the session of a call that changes nothing: a context manager."""
        return Session(self._engine, self._batches, current_call.get())

    def write(self) -> WriteSession:
        """Return the session of a call that changes something: a context manager, whose end commits.

        The one place for whatever is atomic with every change: what the audit trail records of it, and the answer that
        a repetition of the request gets.
        """
        return WriteSession(self._engine, self._batches, self._answers, current_call.get())

    async def look_up(self, point: PointRead[Row], *key: object) -> Row | None:
        """Return the row with a key, or None, for what is no part of the call's own work.

        Raises:
            StagelyError: the database refused, or can't be asked.
        """
        return await self._batches.do(point, key)

    async def ask(self, *queries: Query[Any]) -> list[Any]:
        """Send queries together, as one transaction, for the service's own work, and return their results.

        Raises:
            StagelyError: the database refused, or can't be asked.
        """
        try:
            return await self._exchange("maintain", *queries)
        except DATABASE_ERRORS as error:
            raise domain_error(error) from None

    async def _exchange(self, kind: Kind, *queries: Query[Any]) -> list[Any]:
        async with await Lease.take(self._engine) as lease:
            try:
                with Timed(self._observer.exchanged, kind, queries):
                    return await lease.run(queries)
            except psycopg.OperationalError as error:
                # After a restart or a failover every connection is broken, and a new one as good as ever.
                if not (is_broken_off(error) and all(query.statement.only_reads for query in queries)):
                    raise
        async with await Lease.take(self._engine) as lease:
            with Timed(self._observer.exchanged, kind, queries):
                return await lease.run(queries)

    @asynccontextmanager
    async def maintain(self) -> AsyncIterator[AsyncSession]:
        """Give a session in one READ COMMITTED transaction of the service's own, that no call has asked for."""
        with domain_errors(), Timed(self._observer.exchanged, "maintain", ()):
            async with AsyncSession(self._maintainer, expire_on_commit=False) as session, session.begin():
                yield session
