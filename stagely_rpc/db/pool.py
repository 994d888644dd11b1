"""The pool of connections: SQLAlchemy's, kept small while no load asks for more."""

from __future__ import annotations

import asyncio
import time
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
from stagely_rpc.db.statements import json_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import PoolProxiedConnection
    from sqlalchemy.pool import ConnectionPoolEntry

    from stagely_rpc.db.observing import Observer
    from stagely_rpc.db.pipeline import Command, Prepared
    from stagely_rpc.db.statements import Query

_TRIM_SECONDS = 30.0
_PREPARED = "prepared statements"


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """How many connections there are, and for how long.

    Attributes:
        size: at most this many connections.
        idle: this many stay open though no load asks for them.
        lifetime_seconds: a connection older than this is replaced when it is next used.
        wait_seconds: how long a call waits for a connection before it is told that there is too much load.
        connect_timeout_seconds: how long connecting may take.
    """

    size: int = 25
    idle: int = 5
    lifetime_seconds: float = 300
    wait_seconds: float = 5
    connect_timeout_seconds: float = 5


def engine_of(url: str, limits: PoolLimits) -> AsyncEngine:
    """Return an engine whose connections are in autocommit mode; nothing connects yet."""

    async def connect(*_: object, **adapters: Any) -> psycopg.AsyncConnection:
        # libpq reads the URL itself: SQLAlchemy's reading of it knows less of its parameters.
        timeout = round(limits.connect_timeout_seconds)
        return await psycopg.AsyncConnection.connect(
            url, connect_timeout=timeout, application_name="stagely-rpc", **adapters
        )

    return create_async_engine(
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


class TrimmedPool(AsyncAdaptedQueuePool):
    """A pool that can close some of its idle connections, and knows when it stands still.

    SQLAlchemy's own way to keep few connections idle, `max_overflow`, closes each further one after every use: under
    steady load that is a new connection for each call.

    Attributes:
        waiting: how many wait for a connection.
    """

    _observer: Observer = NOBODY

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


class Lease:
    """A connection of the pool, lent to one piece of work: from `take` to `give_back`."""

    __slots__ = ("_connection", "_pool", "_prepared", "_proxied")

    def __init__(self, pool: TrimmedPool, proxied: PoolProxiedConnection) -> None:
        self._pool = pool
        self._proxied = proxied
        self._connection = cast("psycopg.AsyncConnection[Any]", proxied.driver_connection)
        self._prepared: Prepared = proxied.info.setdefault(_PREPARED, {})

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
        return await run(self._connection, self._prepared, steps)

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
