"""The connection pool. All statements go through it, except those of migrations and health checks."""

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
from stagely_rpc.db.errors import DATABASE_ERRORS, domain_error, is_outdated_plan
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
        size: the maximum number of connections.
        idle: the number of unused connections that stay open.
        lifetime_seconds: the age after which a connection is replaced at its next use.
        wait_seconds: the maximum wait of a call for a connection.
        connect_timeout_seconds: the time limit for opening a connection.
        prepared_statements: whether to use prepared statements; None: yes, except behind a pooler.
    """

    size: int = 25
    idle: int = 5
    lifetime_seconds: float = 300
    wait_seconds: float = 5
    connect_timeout_seconds: float = 5
    prepared_statements: bool | None = None


class ConnectionPool:
    """A pool that leases connections, and replaces broken and old ones.

    Attributes:
        observer: observes round trips and connections.
        prepared: the prepared statements of the connections.
    """

    def __init__(self, url: str, limits: PoolLimits, observer: Observer = NULL_OBSERVER) -> None:
        """Create the pool. Nothing connects yet.

        Args:
            url: a libpq URL (`postgresql://` or `postgres://`) with any of libpq's parameters. libpq itself reads it.
            limits: the limits of the pool.
            observer: observes round trips and connections.
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
        """Connect once, and start to close unused connections periodically.

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
        """Wait for a connection. The caller must close the lease, which returns the connection.

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

    async def use(self, work: Callable[[Lease], Awaitable[Result]], *, retry: bool) -> Result:
        """Do work on a connection. With `retry`, do it again on another connection if the first one breaks.

        After a restart or a failover of the database, all old connections are broken and new ones work.

        Raises:
            StagelyError: the database refused the statement or is unavailable.
        """
        async with await self.lease() as lease:
            try:
                return await work(lease)
            except StagelyError:
                if not (retry and lease.is_broken):
                    raise
        async with await self.lease() as lease:
            return await work(lease)

    async def exchange(self, kind: Kind, *queries: Query[Any]) -> list[Any]:
        """Send queries in one round trip, as one transaction, and return their results.

        Raises:
            StagelyError: the database refused the statement or is unavailable.
        """
        only_reads = all(query.statement.only_reads for query in queries)
        return await self.use(lambda lease: lease.run(kind, queries), retry=only_reads)

    def state(self) -> PoolState:
        """Return the state of the pool."""
        # SQLAlchemy's `checkedin` counts broken connections that it has closed and not replaced yet.
        in_use = self._pool.checkedout()
        return PoolState(in_use, max(self._open - in_use, 0), self._pool.size(), self._waiting)

    @property
    def stalled_seconds(self) -> float:
        """For how many seconds calls have waited while all connections were in use and none was returned.

        The waiting call may have given up since; the next call would wait too.
        """
        if self._stalled_since is None or not self._is_exhausted():
            return 0
        return time.monotonic() - self._stalled_since

    def replace_connections(self) -> None:
        """Mark every existing connection, so that it is replaced at its next use."""
        self._generation += 1

    def replace_generation_of(self, lease: Lease) -> None:
        """Mark the connections of a broken connection's generation for replacement, because they broke together."""
        if lease.generation == self._generation:
            self.replace_connections()

    def note_release(self) -> None:
        """Note that a lease was closed."""
        if self._stalled_since is not None:
            self._stalled_since = time.monotonic()

    async def clean_up(self, work: Awaitable[None]) -> None:
        """Run the clean-up of a lease to its end, even if the caller is cancelled. `close` waits for it."""
        task = asyncio.ensure_future(work)
        self._clean_ups.add(task)
        task.add_done_callback(self._clean_ups.discard)
        await asyncio.shield(task)

    async def trim(self) -> None:
        """Close idle connections above the limit, except those that were needed at the peak since the last trim."""
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
    """The connection is of an old generation. SQLAlchemy replaces it."""


class _TrimmablePool(AsyncAdaptedQueuePool):
    """A pool that can close some of its idle connections.

    SQLAlchemy limits idle connections with `max_overflow`, which closes extra connections after every use. Under steady
    load, that would open a new connection for each call.
    """

    def trim(self, keep: int) -> None:
        """Close idle connections until no more than `keep` are open."""
        while self.checkedin() and self.checkedin() + self.checkedout() > keep:
            idle = self._pool.get(block=False)
            self._dec_overflow()
            idle.close()


def _engine(url: str, limits: PoolLimits, prepared: PreparedStatements) -> AsyncEngine:
    """Return an engine with connections in autocommit mode. Nothing connects yet."""

    async def connect(*_: object, **adapters: Any) -> psycopg.AsyncConnection:
        # libpq parses the URL, because SQLAlchemy supports fewer of its parameters.
        timeout = round(limits.connect_timeout_seconds)
        try:
            connection = await psycopg.AsyncConnection.connect(
                url, autocommit=True, connect_timeout=timeout, application_name="stagely-rpc", **adapters
            )
        except BaseException as error:  # noqa: BLE001 - it is raised again
            # SQLAlchemy keeps the error in a reference cycle. Its frames would keep the half-open connection alive.
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
    """Make SQLAlchemy replace all connections if the server has become read-only, or if column types have changed."""
    origin = failed.original_exception
    if isinstance(origin, psycopg.errors.ReadOnlySqlTransaction) or is_outdated_plan(origin):
        failed.is_disconnect = True
