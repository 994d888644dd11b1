"""The pool of connections, and the ways in: `read` and `write` for calls, `maintain` for the service's own work."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
import psycopg
from sqlalchemy import AsyncAdaptedQueuePool, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.util import greenlet_spawn

from stagely_rpc.call import current_call
from stagely_rpc.db import trail
from stagely_rpc.db.errors import domain_error
from stagely_rpc.db.session import Session, WriteSession
from stagely_rpc.errors import OverloadedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from stagely_rpc.db.once import Answers

_TRIM_SECONDS = 30.0


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


class Database:
    """One PostgreSQL database, as the servicers use it."""

    def __init__(self, url: str, limits: PoolLimits, answers: Answers) -> None:
        """Prepare the pool; nothing connects yet.

        Args:
            url: a libpq URL (`postgresql://` or `postgres://`) with any of libpq's parameters. libpq itself reads it.
            limits: of the pool.
            answers: keeps the answers of requests that may be repeated.
        """
        self._answers = answers
        self._engine = _engine(url, limits)
        self._writer = self._engine.execution_options(isolation_level="READ COMMITTED")
        self._trimmer = _Trimmer(self._engine, limits.idle)

    async def start(self) -> None:
        """Connect, and begin to close connections that no load asks for.

        Raises:
            UnavailableError: the database can't be reached.
        """
        with _domain_errors():
            async with self._engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
        self._trimmer.start()

    async def close(self) -> None:
        """Close every connection."""
        await self._trimmer.stop()
        await self._engine.dispose()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Session]:
        """Give the session of a call in which each statement is a transaction of its own: no round trip but its own."""
        session = Session(self._engine, current_call.get(), autoflush=False)
        with _domain_errors():
            try:
                yield session
            finally:
                # `async with` closes in a task, lest a rollback is cancelled. Here is none, and a task costs much.
                if session.in_transaction():
                    await session.close()
        session.call.check_decided()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[WriteSession]:
        """Give the session of a call in one READ COMMITTED transaction: committed when the block ends, or rolled back.

        The one place for whatever is atomic with every change: what the audit trail records of it, and the answer that
        a repetition of the request gets.

        Raises:
            AnsweredBeforeError: the request was answered before.
        """
        with _domain_errors():
            async with WriteSession(self._writer, current_call.get()) as session, session.begin():
                await self._answers.claim(session)
                yield session
                session.call.check_decided()
                session.check_complete()
                await trail.append(session, session.entries)
                await self._answers.keep(session)

    @asynccontextmanager
    async def maintain(self) -> AsyncIterator[AsyncSession]:
        """Give a session in one READ COMMITTED transaction of the service's own, that no call has asked for."""
        with _domain_errors():
            async with AsyncSession(self._writer, expire_on_commit=False) as session, session.begin():
                yield session


def _engine(url: str, limits: PoolLimits) -> AsyncEngine:
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
        poolclass=_Pool,
        pool_size=limits.size,
        max_overflow=0,
        pool_recycle=limits.lifetime_seconds,
        pool_timeout=limits.wait_seconds,
        pool_use_lifo=True,
        hide_parameters=True,
        json_serializer=lambda value: orjson.dumps(value, default=str).decode(),
        json_deserializer=orjson.loads,
    )


@contextmanager
def _domain_errors() -> Iterator[None]:
    """Raise the database's errors as the domain's."""
    try:
        yield
    except DBAPIError as error:
        raise domain_error(error) from None
    except PoolTimeoutError:
        raise OverloadedError("no database connection came free in time") from None


class _Pool(AsyncAdaptedQueuePool):
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


class _Trimmer:
    """Closes, every half minute, the connections that the half minute before did not need."""

    def __init__(self, engine: AsyncEngine, idle: int) -> None:
        self._pool: _Pool = engine.sync_engine.pool  # type: ignore[assignment]
        self._idle = idle
        self._peak = 0
        self._task: asyncio.Task[None] | None = None
        event.listen(self._pool, "checkout", self._note_use)

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="connection-trimmer")

    async def stop(self) -> None:
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
