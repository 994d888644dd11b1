"""`python -m benchmarks.pool_faults`: what pools do in outages and under overload.

Each question is answered for SQLAlchemy's pool, used through `engine.raw_connection()`, and for `psycopg_pool`, if it
is installed. The service does not need it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import logging
import random
import statistics
import time
from abc import ABC, abstractmethod
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Self

import psycopg
from rich.console import Console
from rich.table import Table
from sqlalchemy import event, exc
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.util import greenlet_spawn

from benchmarks.processes import empty_database, working_directory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

_SIZE = 5
_WAIT_SECONDS = 2.0
_NAME = "pool-faults"
_NOBODY_LISTENS = "postgresql://127.0.0.1:1/postgres"


class ContendingPool(ABC):
    """A pool of 5 connections; a caller waits for one for at most 2 seconds."""

    name: str

    def __init__(self, url: str, *, lifetime_seconds: float = 3600.0) -> None:
        self.url = url
        self.lifetime_seconds = lifetime_seconds

    @abstractmethod
    async def __aenter__(self) -> Self:
        """Open it."""

    @abstractmethod
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        """Close it."""

    @abstractmethod
    def lent(self) -> AbstractAsyncContextManager[psycopg.AsyncConnection[Any]]:
        """Lease a connection."""

    @abstractmethod
    async def renew(self) -> None:
        """Replace all current connections."""


class SqlalchemyPool(ContendingPool):
    """SQLAlchemy's pool. A "checkout" listener refuses connections that are older than a known fault."""

    name = "SQLAlchemy"

    async def connect(self, *_: object, **adapters: Any) -> psycopg.AsyncConnection:
        """Connect."""
        return await psycopg.AsyncConnection.connect(self.url, autocommit=True, application_name=_NAME, **adapters)

    async def __aenter__(self) -> Self:
        self._fault_at = 0.0
        self._engine = create_async_engine(
            "postgresql+psycopg://",
            connect_args={"async_creator_fn": self.connect},
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
            use_native_hstore=False,
            pool_size=_SIZE,
            max_overflow=0,
            pool_recycle=self.lifetime_seconds,
            pool_timeout=_WAIT_SECONDS,
            pool_use_lifo=True,
        )
        event.listen(self._engine.sync_engine, "connect", lambda _, record: record.info.update(at=time.monotonic()))
        event.listen(self._engine.sync_engine, "checkout", self._refuse_older)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._engine.dispose()

    def _refuse_older(self, _connection: object, record: Any, _proxied: object) -> None:  # noqa: ANN401 - SQLAlchemy's
        if record.info["at"] < self._fault_at:
            raise exc.DisconnectionError

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """Lease a connection. If it breaks, replace all connections of its age."""
        proxied: Any = await self._engine.raw_connection()
        connection = proxied.driver_connection
        try:
            yield connection
        finally:
            if connection.broken:
                await self.renew()
                await greenlet_spawn(proxied.invalidate)
            await greenlet_spawn(proxied.close)

    async def renew(self) -> None:
        """Replace all current connections at their next use."""
        self._fault_at = time.monotonic()


class TracelessSqlalchemyPool(SqlalchemyPool):
    """SQLAlchemy's pool with errors of connecting without a traceback, which would keep a half-open connection."""

    name = "SQLAlchemy, no traceback"

    async def connect(self, *_: object, **adapters: Any) -> psycopg.AsyncConnection:
        """Connect."""
        try:
            return await super().connect(**adapters)
        except BaseException as error:  # noqa: BLE001 - it is raised again
            raise error.with_traceback(None)  # noqa: B904 - it is the same error


class PsycopgPool(ContendingPool):
    """`psycopg_pool` without checks."""

    name = "psycopg_pool"
    is_checking = False

    async def __aenter__(self) -> Self:
        pool = importlib.import_module("psycopg_pool").AsyncConnectionPool
        self._pool = pool(
            self.url,
            kwargs={"autocommit": True, "application_name": _NAME},
            min_size=1,
            max_size=_SIZE,
            timeout=_WAIT_SECONDS,
            max_lifetime=self.lifetime_seconds,
            check=pool.check_connection if self.is_checking else None,
            open=False,
        )
        await self._pool.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.close()

    def lent(self) -> AbstractAsyncContextManager[psycopg.AsyncConnection[Any]]:
        """Lease a connection."""
        lent: AbstractAsyncContextManager[psycopg.AsyncConnection[Any]] = self._pool.connection()
        return lent

    async def renew(self) -> None:
        """Replace all current connections at once."""
        await self._pool.drain()


class CheckingPsycopgPool(PsycopgPool):
    """`psycopg_pool` with a check: an empty statement before each lease."""

    name = "psycopg_pool, checking"
    is_checking = True


class Faults:
    """The questions and their database."""

    def __init__(self, url: str, kind: type[ContendingPool]) -> None:
        self._url = url
        self._kind = kind

    async def nobody_listens(self) -> str:
        """A call while nothing listens at the database's address."""
        async with self._kind(_NOBODY_LISTENS) as pool:
            return await _outcome(pool)

    async def nobody_answers(self) -> str:
        """A call while the database's host accepts connections and does not respond (connect_timeout 4 s)."""
        silent = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = silent.sockets[0].getsockname()[1]
        async with self._kind(f"postgresql://127.0.0.1:{port}/postgres?connect_timeout=4") as pool:
            outcome = await _outcome(pool)
        silent.close()
        return outcome

    async def all_are_in_use(self) -> str:
        """A call while all connections are in use."""
        async with self._kind(self._url) as pool:
            holders = await _hold(pool, _SIZE)
            outcome = await _outcome(pool)
            await _end(holders)
        return outcome

    async def every_connection_broke(self) -> str:
        """Failed calls after a restart broke 5 idle connections, with calls in sequence."""
        async with self._kind(self._url) as pool:
            await _end(await _hold(pool, _SIZE))
            _break_all(self._url)
            outcomes = [await _outcome(pool) for _ in range(2 * _SIZE)]
        failed = [outcome for outcome in outcomes if not outcome.startswith("answered")]
        return f"{len(failed)}: {', '.join(failed)}"

    async def cancelled_waiting(self) -> str:
        """Usable connections, of 5, after 500 waiting calls were cancelled."""
        async with self._kind(self._url) as pool:
            tasks = [asyncio.create_task(_call(pool)) for _ in range(500)]
            await _cancel_at_random(tasks)
            return str(await _lendable(pool))

    async def cancelled_connecting(self) -> str:
        """Usable connections, and connections at the server, after 200 calls were cancelled while connecting.

        The pool has 5 connections, and the garbage collector is off.
        """
        async with self._kind(self._url) as pool:
            with _garbage_kept():
                for _ in range(200):
                    await pool.renew()
                    await _cancel_at_random([asyncio.create_task(_call(pool))])
                lendable = await _lendable(pool)
                await asyncio.sleep(0.2)
                return f"{lendable} and {_open_at_the_server(self._url)}"

    async def lifetime(self) -> str:
        """The median time of a call with an expired connection, relative to the median call."""
        async with self._kind(self._url, lifetime_seconds=0.1) as pool:
            await _seconds_of(pool)
            usual = [await _seconds_of(pool) for _ in range(20)]
            old = []
            for _ in range(20):
                await asyncio.sleep(0.15)
                old.append(await _seconds_of(pool))
        return f"{statistics.median(old) / statistics.median(usual):.1f}"

    async def fairness(self) -> str:
        """The waits of 64 tasks that hold one of 5 connections for 1 ms, then pause for 0 to 20 ms."""
        waits: list[float] = []

        async def caller(pool: ContendingPool) -> None:
            for _ in range(20):
                await asyncio.sleep(random.uniform(0, 0.02))  # noqa: S311 - a time, not a secret
                began = time.monotonic()
                async with pool.lent():
                    waits.append(time.monotonic() - began)
                    await asyncio.sleep(0.001)

        async with self._kind(self._url) as pool:
            await asyncio.gather(*(caller(pool) for _ in range(64)))
        median, late, last = (1000 * sorted(waits)[int(share * (len(waits) - 1))] for share in (0.5, 0.99, 1))
        return f"median {median:.1f} ms, 99 of 100 within {late:.1f} ms, longest {last:.1f} ms"


QUESTIONS: tuple[Callable[[Faults], Awaitable[str]], ...] = (
    Faults.nobody_listens,
    Faults.nobody_answers,
    Faults.all_are_in_use,
    Faults.every_connection_broke,
    Faults.cancelled_waiting,
    Faults.cancelled_connecting,
    Faults.lifetime,
    Faults.fairness,
)


async def _call(pool: ContendingPool) -> None:
    async with pool.lent() as connection:
        await connection.execute("SELECT 1")


async def _outcome(pool: ContendingPool) -> str:
    began = time.monotonic()
    try:
        await _call(pool)
    except Exception as error:  # noqa: BLE001 - whatever a caller gets is what is asked for
        return f"{type(error).__module__}.{type(error).__name__} after {time.monotonic() - began:.2f} s"
    return f"answered after {time.monotonic() - began:.2f} s"


async def _seconds_of(pool: ContendingPool) -> float:
    began = time.monotonic()
    await _call(pool)
    return time.monotonic() - began


async def _hold(pool: ContendingPool, number: int) -> list[asyncio.Task[None]]:
    """Take a number of connections, each in its own task."""
    taken = asyncio.Semaphore(0)

    async def holder() -> None:
        async with pool.lent():
            taken.release()
            await asyncio.Event().wait()

    tasks = [asyncio.create_task(holder()) for _ in range(number)]
    async with asyncio.timeout(_WAIT_SECONDS):
        for _ in range(number):
            await taken.acquire()
    return tasks


async def _lendable(pool: ContendingPool) -> int:
    for number in range(_SIZE, 0, -1):
        with suppress(TimeoutError):
            await _end(await _hold(pool, number))
            return number
    return 0


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _cancel_at_random(tasks: list[asyncio.Task[None]]) -> None:
    order = random.sample(tasks, len(tasks))
    for task in order:
        await asyncio.sleep(random.uniform(0, 0.004))  # noqa: S311 - a time, not a secret
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def _garbage_kept() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _break_all(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", [_NAME])


def _open_at_the_server(url: str) -> int:
    with psycopg.connect(url, autocommit=True) as admin:
        counted = admin.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", [_NAME])
        (number,) = counted.fetchone() or (0,)
        return int(number)


async def _ask(url: str) -> Table:
    kinds: list[type[ContendingPool]] = [SqlalchemyPool, TracelessSqlalchemyPool]
    try:
        importlib.import_module("psycopg_pool")
        kinds += [PsycopgPool, CheckingPsycopgPool]
    except ModuleNotFoundError as missing:
        Console(stderr=True).print(f"left out: {missing.name} is not installed")
    table = Table(show_lines=True)
    for heading in ("question", *(kind.name for kind in kinds)):
        table.add_column(heading)
    for question in QUESTIONS:
        table.add_row(" ".join(str(question.__doc__).split()), *[await question(Faults(url, kind)) for kind in kinds])
    return table


def main() -> None:
    """Ask every question of every pool, and print what they say."""
    argparse.ArgumentParser(prog="python -m benchmarks.pool_faults", description=__doc__).parse_args()
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
    with working_directory() as directory, empty_database(directory) as url:
        Console(width=170).print(asyncio.run(_ask(url)))


if __name__ == "__main__":
    main()
