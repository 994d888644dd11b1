"""The pool of connections: SQLAlchemy's, kept small while no load asks for more."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import orjson
import psycopg
from sqlalchemy import AsyncAdaptedQueuePool, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.util import greenlet_spawn

from stagely_rpc.db.driver.observer import NULL_OBSERVER, Timed
from stagely_rpc.db.driver.prepared import Preparing
from stagely_rpc.db.errors import is_of_outdated_plan
from stagely_rpc.db.sql.statement import json_of

if TYPE_CHECKING:
    from sqlalchemy import ExceptionContext, PoolProxiedConnection
    from sqlalchemy.pool import ConnectionPoolEntry

    from stagely_rpc.db.driver.observer import Observer

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
        try:
            connection = await psycopg.AsyncConnection.connect(
                url, autocommit=True, connect_timeout=timeout, application_name="stagely-rpc", **adapters
            )
        except BaseException as error:  # noqa: BLE001 - it is raised again
            # SQLAlchemy keeps the error in a cycle; its frames hold libpq's half of a connection until it is collected.
            raise error.with_traceback(None)  # noqa: B904 - it is the same error
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
    event.listen(engine.sync_engine, "handle_error", _distrust_if_changed)
    return engine


def _distrust_if_changed(failed: ExceptionContext) -> None:
    """Have SQLAlchemy replace every connection, as it does with broken ones, where the server is not what it was.

    It has become read-only, or columns have other types than when psycopg prepared a statement.
    """
    origin = failed.original_exception
    if isinstance(origin, psycopg.errors.ReadOnlySqlTransaction) or is_of_outdated_plan(origin):
        failed.is_disconnect = True


class TrimmedPool(AsyncAdaptedQueuePool):
    """A pool that can close some of its idle connections, and knows when it stands still.

    SQLAlchemy's own way to keep few connections idle, `max_overflow`, closes each further one after every use: under
    steady load that is a new connection for each call.

    Attributes:
        preparing: whether statements are prepared on its connections.
        waiting: how many wait for a connection.
    """

    preparing: Preparing
    _observer: Observer = NULL_OBSERVER

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.waiting = 0
        self._standing_since: float | None = None

    def watch(self, observer: Observer) -> None:
        """Tell an observer of connections, and of waits for them."""
        self._observer = observer
        event.listen(self, "connect", lambda *_: observer.opened())
        event.listen(self, "invalidate", lambda *_: observer.lost())

    def connect(self) -> PoolProxiedConnection:
        """Take a connection, or wait for one."""
        with Timed(self._observer.waited):
            return super().connect()

    def trim(self, keep: int) -> None:
        """Close idle connections until no more than `keep` are open."""
        while self.checkedin() and self.checkedin() + self.checkedout() > keep:
            idle = self._pool.get(block=False)
            self._dec_overflow()
            idle.close()

    def distrust(self, connection: PoolProxiedConnection) -> None:
        """Have every connection that is as old as a broken one replaced when it is next used: they broke together."""
        self._invalidate(connection, _checkin=False)

    def renew(self) -> None:
        """Have every connection that there is now replaced when it is next used."""
        self._invalidate_time = time.time()

    @property
    def stalled_seconds(self) -> float:
        """For how long a call has wanted a connection while all were in use and none was given back.

        The call may have given up since: whoever comes next would wait as well.
        """
        if self._standing_since is None or not self._is_exhausted():
            return 0
        return time.monotonic() - self._standing_since

    def _is_exhausted(self) -> bool:
        return self.checkedout() >= self.size()

    def _do_get(self) -> ConnectionPoolEntry:
        if not self._is_exhausted():
            self._standing_since = None
        elif self._standing_since is None:
            self._standing_since = time.monotonic()
        self.waiting += 1
        try:
            taken = super()._do_get()
        finally:
            self.waiting -= 1
        if not self.waiting:
            self._standing_since = None
        return taken

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        if self._standing_since is not None:
            self._standing_since = time.monotonic()
        super()._do_return_conn(record)


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
