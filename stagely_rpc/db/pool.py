"""The pool of connections: SQLAlchemy's, kept small while no load asks for more."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, cast

import orjson
import psycopg
from psycopg import pq
from sqlalchemy import AsyncAdaptedQueuePool, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.util import greenlet_spawn

from stagely_rpc.db.observing import NOBODY, Timed
from stagely_rpc.db.pipeline import run
from stagely_rpc.db.preparing import FORGOTTEN, Preparing
from stagely_rpc.db.statements import json_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ExceptionContext, PoolProxiedConnection

    from stagely_rpc.db.observing import Observer
    from stagely_rpc.db.pipeline import Command
    from stagely_rpc.db.statements import Query

_TRIM_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """How many connections there are, for how long, and what they keep.

    Attributes:
        size: at most this many connections.
        idle: this many stay open though no load asks for them.
        lifetime_seconds: a connection older than this is replaced when it is next used.
        wait_seconds: how long a call waits for a connection before it is told that there is too much load.
        connect_timeout_seconds: how long connecting may take.
        prepared_statements: whether statements are prepared on them; None: unless a pooler is in between.
    """

    size: int = 25
    idle: int = 5
    lifetime_seconds: float = 300
    wait_seconds: float = 5
    connect_timeout_seconds: float = 5
    prepared_statements: bool | None = None


def engine_of(url: str, limits: PoolLimits) -> AsyncEngine:
    """Return an engine whose connections are in autocommit mode; nothing connects yet."""
    preparing = Preparing(wanted=limits.prepared_statements)

    async def connect(*_: object, **adapters: Any) -> psycopg.AsyncConnection:
        # libpq reads the URL itself: SQLAlchemy's reading of it knows less of its parameters.
        timeout = round(limits.connect_timeout_seconds)
        connection = await psycopg.AsyncConnection.connect(
            url, autocommit=True, connect_timeout=timeout, application_name="stagely-rpc", **adapters
        )
        try:
            await preparing.set_up(connection)
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
        poolclass=TrimmedPool,
        pool_size=limits.size,
        max_overflow=0,
        pool_recycle=limits.lifetime_seconds,
        pool_timeout=limits.wait_seconds,
        pool_use_lifo=True,
        hide_parameters=True,
        json_serializer=lambda value: json_of(value).decode(),
        json_deserializer=orjson.loads,
    )
    cast("TrimmedPool", engine.sync_engine.pool).preparing = preparing
    event.listen(engine.sync_engine, "handle_error", _distrust_if_demoted)
    return engine


def _distrust_if_demoted(failed: ExceptionContext) -> None:
    """Have SQLAlchemy replace every connection to a server that has become read-only, as it does with broken ones."""
    if isinstance(failed.original_exception, psycopg.errors.ReadOnlySqlTransaction):
        failed.is_disconnect = True


class TrimmedPool(AsyncAdaptedQueuePool):
    """A pool that can close some of its idle connections.

    SQLAlchemy's own way to keep few connections idle, `max_overflow`, closes each further one after every use: under
    steady load that is a new connection for each call.

    Attributes:
        preparing: whether statements are prepared on its connections.
        waiting: how many wait for a connection.
    """

    preparing: Preparing
    waiting = 0
    _observer: Observer = NOBODY

    def watch(self, observer: Observer) -> None:
        """Tell an observer of connections, and of waits for them."""
        self._observer = observer
        event.listen(self, "connect", lambda *_: observer.opened())
        event.listen(self, "invalidate", lambda *_: observer.lost())

    def connect(self) -> PoolProxiedConnection:
        """Take a connection, or wait for one."""
        self.waiting += 1
        try:
            with Timed(self._observer.waited):
                return super().connect()
        finally:
            self.waiting -= 1

    def trim(self, keep: int) -> None:
        """Close idle connections until no more than `keep` are open."""
        while self.checkedin() and self.checkedin() + self.checkedout() > keep:
            idle = self._pool.get(block=False)
            self._dec_overflow()
            idle.close()

    def distrust(self, connection: PoolProxiedConnection) -> None:
        """Have every connection that is as old as a broken one replaced when it is next used: they broke together."""
        self._invalidate(connection, _checkin=False)


class Trimmer:
    """Closes, every half minute, the connections that the half minute before did not need."""

    def __init__(self, engine: AsyncEngine, idle: int) -> None:
        """Take the pool of an engine, and how many connections stay open."""
        self._pool = cast("TrimmedPool", engine.sync_engine.pool)
        self._idle = idle
        self._peak = 0
        self._task: asyncio.Task[None] | None = None
        event.listen(self._pool, "checkout", self._note_use)

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="connection-trimmer")

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def _note_use(self, *_: object) -> None:
        self._peak = max(self._peak, self._pool.checkedout())

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_TRIM_SECONDS)
            await self.trim()

    async def trim(self) -> None:
        """Close what is open beyond the limit and beyond the most that were in use at once since the last time."""
        keep = max(self._idle, self._peak)
        self._peak = self._pool.checkedout()
        await greenlet_spawn(self._pool.trim, keep)


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
        except FORGOTTEN:
            self._pool.preparing.give_up()
            self._prepared = None
            if not was_idle:
                raise
        return await self._run_again(steps)

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
