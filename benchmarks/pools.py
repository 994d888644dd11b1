"""`python -m benchmarks.pools`: the cost of a checkout and return of a connection, for each way.

CPU time of this process: the median of the rounds, and the ratio to the cheapest way within each round. With `--query`,
one statement is sent each time. `psycopg_pool` is measured if it is installed. The service does not need it.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import statistics
import time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.util import greenlet_spawn

from benchmarks.pool import POOL_SIZE
from benchmarks.processes import empty_database, working_directory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Use = Callable[[psycopg.AsyncConnection[Any]], Awaitable[None]]
    Cycle = Callable[[Use], Awaitable[None]]

_LIFETIME_SECONDS = 300.0
_CYCLES = 2_000


class Load(NamedTuple):
    """How many tasks take connections at once."""

    name: str
    tasks: int


LOADS = (Load("1 task", 1), Load("16 tasks", 16), Load("64 tasks", 64))


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pools", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="measure everything so many times (default: 9)")
    parser.add_argument("--query", action="store_true", help="send SELECT 1 each time")
    arguments = parser.parse_args()
    with working_directory() as directory, empty_database(directory) as url:
        asyncio.run(_measure(url, arguments.rounds, _select if arguments.query else _turn))


async def _measure(url: str, rounds: int, use: Use) -> None:
    async with AsyncExitStack() as opened:
        cycles = {name: await opened.enter_async_context(way(url)) for name, way in WAYS.items()}
        try:
            cycles["psycopg_pool"] = await opened.enter_async_context(_psycopg_pool(url))
        except ModuleNotFoundError as missing:
            Console(stderr=True).print(f"left out: {missing.name} is not installed")
        for load in LOADS:
            measured: dict[str, list[float]] = {name: [] for name in cycles}
            for number in range(rounds + 1):
                for name, cycle in cycles.items():
                    cost = await _cpu_of(cycle, load.tasks, use)
                    # The first round connects.
                    if number:
                        measured[name].append(cost)
            Console().print(_rendered(load, measured))


async def _cpu_of(cycle: Cycle, tasks: int, use: Use) -> float:
    """Return the seconds of CPU that one cycle takes."""

    async def repeated() -> None:
        for _ in range(_CYCLES // tasks):
            await cycle(use)

    before = time.process_time()
    await asyncio.gather(*(repeated() for _ in range(tasks)))
    return (time.process_time() - before) / (_CYCLES // tasks * tasks)


async def _turn(_: psycopg.AsyncConnection[Any]) -> None:
    await asyncio.sleep(0)


async def _select(connection: psycopg.AsyncConnection[Any]) -> None:
    await connection.execute("SELECT 1", prepare=True)


def _rendered(load: Load, measured: dict[str, list[float]]) -> Table:
    table = Table(title=f"{load.name} over {POOL_SIZE} connections: CPU for each take and return")
    for heading in ("way", "µs", "of the cheapest"):
        table.add_column(heading, justify="left" if heading == "way" else "right")
    cheapest = min(measured.values(), key=statistics.median)
    for name, costs in measured.items():
        ratios = [cost / least for cost, least in zip(costs, cheapest, strict=True)]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
        table.add_row(name, f"{statistics.median(costs) * 1e6:.1f}", spread)
    return table


@asynccontextmanager
async def _engine(url: str) -> AsyncIterator[AsyncEngine]:
    """Give an engine whose connections and pool are as the service has them."""

    async def connect(*_: object, **adapters: Any) -> psycopg.AsyncConnection:
        return await psycopg.AsyncConnection.connect(url, autocommit=True, **adapters)

    engine = create_async_engine(
        "postgresql+psycopg://",
        connect_args={"async_creator_fn": connect},
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        use_native_hstore=False,
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_recycle=_LIFETIME_SECONDS,
        pool_use_lifo=True,
    )
    yield engine
    await engine.dispose()


@asynccontextmanager
async def _sqlalchemy_pool(url: str) -> AsyncIterator[Cycle]:
    async with _engine(url) as engine:

        async def cycle(use: Use) -> None:
            proxied = await greenlet_spawn(engine.pool.connect)
            await use(_driver_connection(proxied))
            await greenlet_spawn(proxied.close)

        yield cycle


@asynccontextmanager
async def _sqlalchemy_raw_connection(url: str) -> AsyncIterator[Cycle]:
    async with _engine(url) as engine:

        async def cycle(use: Use) -> None:
            proxied = await engine.raw_connection()
            await use(_driver_connection(proxied))
            await greenlet_spawn(proxied.close)

        yield cycle


@asynccontextmanager
async def _sqlalchemy_connection(url: str) -> AsyncIterator[Cycle]:
    async with _engine(url) as engine:

        async def cycle(use: Use) -> None:
            async with engine.connect() as connection:
                await use(_driver_connection(await connection.get_raw_connection()))

        yield cycle


@asynccontextmanager
async def _psycopg_pool(url: str) -> AsyncIterator[Cycle]:
    module = importlib.import_module("psycopg_pool")
    pool = module.AsyncConnectionPool(
        url,
        kwargs={"autocommit": True},
        min_size=POOL_SIZE,
        max_size=POOL_SIZE,
        max_lifetime=_LIFETIME_SECONDS,
        open=False,
    )

    async def cycle(use: Use) -> None:
        connection = await pool.getconn()
        await use(connection)
        await pool.putconn(connection)

    async with pool:
        await pool.wait()
        yield cycle


def _driver_connection(proxied: Any) -> psycopg.AsyncConnection[Any]:  # noqa: ANN401 - SQLAlchemy's, of any driver
    connection: psycopg.AsyncConnection[Any] = proxied.driver_connection
    return connection


WAYS = {
    "sync pool.connect()": _sqlalchemy_pool,
    "engine.raw_connection()": _sqlalchemy_raw_connection,
    "engine.connect()": _sqlalchemy_connection,
}

if __name__ == "__main__":
    main()
