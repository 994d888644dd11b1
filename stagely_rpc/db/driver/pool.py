"""The pool of connections, and the leases that it gives. Everything that is asked of the database comes by here."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import orjson
import psycopg
from sqlalchemy import AsyncAdaptedQueuePool, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.util import greenlet_spawn

from stagely_rpc.background import Periodic
from stagely_rpc.db.driver.lease import Lease
from stagely_rpc.db.driver.observer import NULL_OBSERVER, Timed
from stagely_rpc.db.driver.pool_state import PoolState
from stagely_rpc.db.driver.prepared import PreparedStatements
from stagely_rpc.db.errors import DATABASE_ERRORS, domain_error, is_of_outdated_plan
from stagely_rpc.db.sql.statement import json_of
from stagely_rpc.errors import StagelyError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sqlalchemy import ExceptionContext
    from sqlalchemy.pool import ConnectionPoolEntry

    from stagely_rpc.db.driver.observer import Kind, Observer
    from stagely_rpc.db.sql.statement import Query

Result = TypeVar("Result")

_TRIM_SECONDS = 30.0
_GENERATION = "generation"


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """The limits of a pool.

    Attributes:
        size: the most connections at a time.
        idle: how many connections stay open when they are not needed.
        lifetime_seconds: a connection older than this is replaced at its next use.
        wait_seconds: how long a call waits for a connection before it is refused.
        connect_timeout_seconds: how long opening a connection may take.
        prepared_statements: whether to use prepared statements; None: yes, except behind a pooler.
    """

    size: int = 25
    idle: int = 5
    lifetime_seconds: float = 300
    wait_seconds: float = 5
    connect_timeout_seconds: float = 5
    prepared_statements: bool | None = None


class ConnectionPool:
    """Lends connections, at most so many at a time, and replaces those that broke or grew old.

    Attributes:
        observer: sees each exchange with the database, and each connection.
        prepared: what is prepared on the connections.
    """

    def __init__(self, url: str, limits: PoolLimits, observer: Observer = NULL_OBSERVER) -> None:
        """Prepare the pool; nothing connects yet.

        Args:
            url: a libpq URL (`postgresql://` or `postgres://`) with any of libpq's parameters. libpq itself reads it.
            limits: of the pool.
            observer: sees each exchange with the database, and each connection.
        """
        self.observer = observer
        self.prepared = PreparedStatements(wanted=limits.prepared_statements)
        self._engine = _engine(url, limits, self.prepared)
        self._pool = cast("_TrimmablePool", self._engine.pool)
        self._idle = limits.idle
        self._peak = 0
        self._open = 0
        self._generation = 0
        self._waiting = 0
        self._stalled_since: float | None = None
        self._clean_ups: set[asyncio.Task[None]] = set()
        self._trimming = Periodic("connection trimmer", _TRIM_SECONDS, work=self.trim)
        event.listen(self._pool, "connect", self._on_connect)
        event.listen(self._pool, "checkout", self._on_checkout)
        event.listen(self._pool, "invalidate", self._on_invalidate)
        event.listen(self._pool, "close", self._on_close)

    async def start(self) -> None:
        """Connect once, and begin to close connections that are not needed.

        Raises:
            UnavailableError: the database can't be reached.
        """
        async with await self.lease():
            pass
        self._trimming.start()

    async def close(self) -> None:
        """Close every connection."""
        await self._trimming.stop()
        while self._clean_ups:
            await asyncio.wait(self._clean_ups)
        await self._engine.dispose()

    async def lease(self) -> Lease:
        """Take a connection, or wait for one. It must be closed, which gives it back.

        Raises:
            OverloadedError: no connection came free in time.
            UnavailableError: the database can't be reached.
        """
        if not self._is_exhausted():
            self._stalled_since = None
        elif self._stalled_since is None:
            self._stalled_since = time.monotonic()
        self._waiting += 1
        try:
            with Timed(self.observer.waited):
                proxied = await self._engine.raw_connection()
        except DATABASE_ERRORS as error:
            raise domain_error(error) from None
        finally:
            self._waiting -= 1
        if not self._waiting:
            self._stalled_since = None
        return Lease(self, self._engine, proxied, proxied.info[_GENERATION])

    async def use(self, work: Callable[[Lease], Awaitable[Result]], *, repeatable: bool) -> Result:
        """Do work on a connection. If the connection breaks and the work is repeatable, do it on another one.

        After a restart or a failover every connection is broken, and a new one works.

        Raises:
            StagelyError: the database refused, or can't be asked.
        """
        async with await self.lease() as lease:
            try:
                return await work(lease)
            except StagelyError:
                if not (repeatable and lease.is_broken):
                    raise
        async with await self.lease() as lease:
            return await work(lease)

    async def exchange(self, kind: Kind, *queries: Query[Any]) -> list[Any]:
        """Send queries together, as one transaction, and return their results.

        Raises:
            StagelyError: the database refused, or can't be asked.
        """
        only_reads = all(query.statement.only_reads for query in queries)
        return await self.use(lambda lease: lease.run(kind, queries), repeatable=only_reads)

    def state(self) -> PoolState:
        """Return how the pool is at this moment."""
        # SQLAlchemy's `checkedin` counts broken connections that it has closed and not replaced yet.
        in_use = self._pool.checkedout()
        return PoolState(in_use, max(self._open - in_use, 0), self._pool.size(), self._waiting)

    @property
    def stalled_seconds(self) -> float:
        """For how long a call has wanted a connection while all were in use and none was given back.

        The call may have given up since: the next one would wait as well.
        """
        if self._stalled_since is None or not self._is_exhausted():
            return 0
        return time.monotonic() - self._stalled_since

    def renew(self) -> None:
        """Have each connection that exists now replaced at its next use."""
        self._generation += 1

    def distrust(self, lease: Lease) -> None:
        """Have each connection that is as old as a broken one replaced at its next use: they broke together."""
        if lease.generation == self._generation:
            self.renew()

    def given_back(self) -> None:
        """Note that a lease was closed."""
        if self._stalled_since is not None:
            self._stalled_since = time.monotonic()

    async def clean_up(self, work: Awaitable[None]) -> None:
        """Clean up after a lease to the end, even if the caller is cancelled meanwhile; `close` waits for it."""
        task = asyncio.ensure_future(work)
        self._clean_ups.add(task)
        task.add_done_callback(self._clean_ups.discard)
        await asyncio.shield(task)

    async def trim(self) -> None:
        """Close the connections beyond the idle limit that were not needed at once since the last trim."""
        keep = max(self._idle, self._peak)
        self._peak = self._pool.checkedout()
        await greenlet_spawn(self._pool.trim, keep)

    def _is_exhausted(self) -> bool:
        return self._pool.checkedout() >= self._pool.size()

    def _on_connect(self, _: object, record: ConnectionPoolEntry) -> None:
        record.info[_GENERATION] = self._generation
        self._open += 1
        self.observer.opened()

    def _on_checkout(self, _: object, record: ConnectionPoolEntry, __: object) -> None:
        if record.info[_GENERATION] != self._generation:
            raise _OutdatedError
        self._peak = max(self._peak, self._pool.checkedout())

    def _on_close(self, *_: object) -> None:
        self._open -= 1

    def _on_invalidate(self, _: object, __: object, error: BaseException | None) -> None:
        if not isinstance(error, _OutdatedError):
            self.observer.lost()


class _OutdatedError(DisconnectionError):
    """A connection is of a generation that broke. SQLAlchemy replaces it."""


class _TrimmablePool(AsyncAdaptedQueuePool):
    """A pool that can close some of its idle connections.

    SQLAlchemy's own way to keep few connections idle, `max_overflow`, closes each further one after every use: under
    steady load that is a new connection for each call.
    """

    def trim(self, keep: int) -> None:
        """Close idle connections until no more than `keep` are open."""
        while self.checkedin() and self.checkedin() + self.checkedout() > keep:
            idle = self._pool.get(block=False)
            self._dec_overflow()
            idle.close()


def _engine(url: str, limits: PoolLimits, prepared: PreparedStatements) -> AsyncEngine:
    """Return an engine whose connections are in autocommit mode; nothing connects yet."""

    async def connect(*_: object, **adapters: Any) -> psycopg.AsyncConnection:
        # libpq reads the URL itself: SQLAlchemy's reading of it knows fewer of its parameters.
        timeout = round(limits.connect_timeout_seconds)
        try:
            connection = await psycopg.AsyncConnection.connect(
                url, autocommit=True, connect_timeout=timeout, application_name="stagely-rpc", **adapters
            )
        except BaseException as error:  # noqa: BLE001 - it is raised again
            # SQLAlchemy keeps the error in a cycle; its frames hold libpq's half of a connection until it is collected.
            raise error.with_traceback(None)  # noqa: B904 - it is the same error
        try:
            await prepared.set_up(connection)
        except BaseException:
            await connection.close()
            raise
        return connection

    engine = create_async_engine(
        "postgresql+psycopg://",
        connect_args={"async_creator_fn": connect},
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        use_native_hstore=False,
        poolclass=_TrimmablePool,
        pool_size=limits.size,
        max_overflow=0,
        pool_recycle=limits.lifetime_seconds,
        pool_timeout=limits.wait_seconds,
        pool_use_lifo=True,
        hide_parameters=True,
        json_serializer=lambda value: json_of(value).decode(),
        json_deserializer=orjson.loads,
    )
    event.listen(engine.sync_engine, "handle_error", _replace_if_changed)
    return engine


def _replace_if_changed(failed: ExceptionContext) -> None:
    """Have SQLAlchemy replace every connection, as it does with broken ones, where the server has changed.

    It has become read-only, or columns have other types than when psycopg prepared a statement.
    """
    origin = failed.original_exception
    if isinstance(origin, psycopg.errors.ReadOnlySqlTransaction) or is_of_outdated_plan(origin):
        failed.is_disconnect = True
