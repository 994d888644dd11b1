from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import Float, bindparam, func, insert, select, text

from stagely_rpc.db.batching.point_read import PointRead
from stagely_rpc.db.models import Team
from stagely_rpc.db.models.rows import TeamRow
from stagely_rpc.db.sql.statement import Statement
from stagely_rpc.errors import UnavailableError
from tests.support.databases import database_at, reading, writing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from stagely_rpc.db.database import Database

CANCELLATIONS = 30


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Database]:
    db = database_at(url, size=2, idle=2, wait_seconds=5)
    await db.start()
    try:
        yield db
    finally:
        await db.close()


async def sleep(db: Database, seconds: float) -> None:
    async with reading(db) as session:
        await session.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": seconds})


SLEEP = Statement(select(func.pg_sleep(bindparam("seconds", type_=Float))))


async def sleep_in_a_pipeline(db: Database, seconds: float) -> None:
    async with reading(db) as session:
        await session.ask(SLEEP.value(seconds=seconds))


async def sleep_in_a_write(db: Database, seconds: float) -> None:
    async with writing(db) as session:
        await session.ask(SLEEP.value(seconds=seconds))


async def sleep_in_a_commit(db: Database, seconds: float) -> None:
    async with writing(db) as session:
        await session.begin()
        session._writes.append(SLEEP.value(seconds=seconds))


async def sleep_in_a_system_transaction(db: Database, seconds: float) -> None:
    async with db.system_transaction() as session:
        await session.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": seconds})


async def ping(db: Database) -> int:
    async with reading(db) as session:
        answer: int = (await session.execute(text("SELECT 1"))).scalar_one()
        return answer


@pytest.mark.parametrize(
    ("work", "cancellations"),
    [
        (work, cancellations)
        for work in (
            sleep,
            sleep_in_a_pipeline,
            sleep_in_a_write,
            sleep_in_a_commit,
            sleep_in_a_system_transaction,
        )
        for cancellations in (1, 2, 3)
    ],
)
async def test_cancelled_work_returns_its_connection(
    database_url: str, cancellations: int, work: Callable[[Database, float], Coroutine[None, None, None]]
) -> None:
    async with connected(database_url) as db:
        for attempt in range(CANCELLATIONS):
            working = asyncio.create_task(work(db, 5))
            await asyncio.sleep(attempt * 0.0005)
            for _ in range(cancellations):
                working.cancel()
                await asyncio.sleep(0)
            with pytest.raises(asyncio.CancelledError):
                await working

        # These need both connections of the pool.
        assert await asyncio.gather(*(ping(db) for _ in range(8))) == [1] * 8
        assert db.connections().in_use == 0


async def test_failed_read_returns_its_connection(database_url: str) -> None:
    async with connected(database_url) as db:
        for _ in range(5):
            with pytest.raises(LookupError):
                async with reading(db) as session:
                    await session.execute(text("SELECT 1"))
                    raise LookupError

        assert await ping(db) == 1


async def test_point_read_sees_only_committed_rows(fresh_database_url: str) -> None:
    by_slug = PointRead("team by slug", TeamRow, select(Team.__table__), Team.slug)
    async with connected(fresh_database_url) as db, reading(db) as reader:
        async with db.system_transaction() as writer:
            await writer.execute(insert(Team).values(slug="web", name="Web"))

            before = await reader.read(by_slug, "web")

        after = await reader.read(by_slug, "web")

    assert before is None
    assert after is not None
    assert after.name == "Web"


async def test_read_that_loses_its_connection_is_unavailable_and_the_next_one_works(database_url: str) -> None:
    dies = Statement(select(func.pg_terminate_backend(func.pg_backend_pid())))
    async with connected(database_url) as db:
        with pytest.raises(UnavailableError):
            async with reading(db) as session:
                await session.ask(dies.all())

        assert await ping(db) == 1


async def test_read_on_a_broken_connection_is_retried_on_another(fresh_database_url: str) -> None:
    async with connected(fresh_database_url) as db, reading(db) as session:
        pid = (await session.execute(select(func.pg_backend_pid()))).scalar_one()
        async with await psycopg.AsyncConnection.connect(fresh_database_url, autocommit=True) as other:
            await other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

        assert (await session.execute(select(func.pg_backend_pid()))).scalar_one() != pid
