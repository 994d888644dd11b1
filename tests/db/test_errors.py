from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import text

from stagely_rpc.db.errors import UnexpectedDatabaseError
from stagely_rpc.db.models.rows import TeamRow
from stagely_rpc.errors import (
    AbortedError,
    AlreadyExistsError,
    DeadlineExceededError,
    OverloadedError,
    UnavailableError,
)
from tests.support.databases import database_at, reading, writing
from tests.support.eventually import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stagely_rpc.db.database import Database

INSERT = text("INSERT INTO teams (slug, name) VALUES (:slug, 'secret-' || 'value')")
IS_IDLE = "SELECT state = 'idle' FROM pg_stat_activity WHERE pid = %(pid)s"
CONNECTIONS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'stagely-rpc'"
)
TAKEN = AlreadyExistsError("taken", resource_type="Team", resource_name="web")


@pytest.fixture
async def db(fresh_database_url: str) -> AsyncIterator[Database]:
    db = database_at(fresh_database_url, size=3, wait_seconds=0.2)
    yield db
    await db.close()


async def test_violation_of_a_named_constraint_raises_its_error(db: Database) -> None:
    async with db.system_transaction() as session:
        await session.execute(INSERT, {"slug": "web"})

    with pytest.raises(AlreadyExistsError) as refused:
        async with writing(db) as session:
            await session.begin()
            session.insert(TeamRow, {"slug": "web", "name": "Web"}, {"teams_slug_key": lambda: TAKEN})

    assert refused.value is TAKEN


async def test_violation_of_another_constraint_is_unexpected_and_shows_no_value(db: Database) -> None:
    with pytest.raises(UnexpectedDatabaseError) as error:
        async with writing(db) as session:
            await session.begin()
            session.insert(TeamRow, {"slug": "-", "name": "secret-value"}, {"teams_slug_key": lambda: TAKEN})

    assert "valid_slug" in str(error.value)
    assert "23514" in str(error.value)
    assert "secret-value" not in str(error.value)
    assert error.value.__cause__ is None


async def test_write_that_raises_is_rolled_back(db: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with db.system_transaction() as session:
            await session.execute(INSERT, {"slug": "web"})
            raise ZeroDivisionError

    async with reading(db) as session:
        assert (await session.execute(text("SELECT count(*) FROM teams"))).scalar_one() == 0


async def test_read_session_holds_no_transaction_and_no_connection(db: Database, fresh_database_url: str) -> None:
    async with reading(db) as session:
        pid = await session.scalar(text("SELECT pg_backend_pid()"))

        assert db.connections().in_use == 0
        with psycopg.connect(fresh_database_url) as other:
            assert other.execute(IS_IDLE, {"pid": pid}).fetchone() == (True,)


async def test_terminated_connection_is_unavailable_and_the_next_call_works(db: Database) -> None:
    with pytest.raises(UnavailableError):
        async with reading(db) as session:
            await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    async with reading(db) as session:
        assert (await session.execute(text("SELECT 1"))).scalar_one() == 1


@pytest.mark.parametrize("code", ["53100", "53200", "58030"])
async def test_database_without_space_or_memory_is_unavailable(db: Database, code: str) -> None:
    fails = text(f"DO $$ BEGIN RAISE EXCEPTION 'secret-value' USING ERRCODE = '{code}'; END $$")

    with pytest.raises(UnavailableError) as refused:
        async with db.system_transaction() as session:
            await session.execute(fails)

    assert refused.value.reason == "DATABASE_OUT_OF_RESOURCES"
    assert "secret-value" not in str(refused.value)


async def test_unreachable_database_is_unavailable() -> None:
    db = database_at("postgresql://ada:hunter2@127.0.0.1:1/nothing")

    with pytest.raises(UnavailableError) as error:
        await db.start()

    assert "hunter2" not in str(error.value)
    await db.close()


async def test_read_only_database_is_unavailable(fresh_database_url: str) -> None:
    name = psycopg.conninfo.conninfo_to_dict(fresh_database_url)["dbname"]
    with psycopg.connect(fresh_database_url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    db = database_at(fresh_database_url)

    with pytest.raises(UnavailableError):
        async with db.system_transaction() as session:
            await session.execute(INSERT, {"slug": "web"})

    await db.close()


async def test_statement_timeout_is_deadline_exceeded(db: Database) -> None:
    with pytest.raises(DeadlineExceededError):
        async with db.system_transaction() as session:
            await session.execute(text("SET LOCAL statement_timeout = 50"))
            await session.execute(text("SELECT pg_sleep(10)"))


async def test_deadlock_aborts_one_of_two_transactions(db: Database) -> None:
    async with db.system_transaction() as session:
        await session.execute(INSERT, {"slug": "web"})
        await session.execute(INSERT, {"slug": "api"})
    both_hold_one = asyncio.Barrier(2)

    async def lock(first: str, second: str) -> None:
        async with db.system_transaction() as session:
            await session.execute(text("SELECT FROM teams WHERE slug = :slug FOR UPDATE"), {"slug": first})
            await both_hold_one.wait()
            await session.execute(text("SELECT FROM teams WHERE slug = :slug FOR UPDATE"), {"slug": second})

    outcomes = await asyncio.gather(lock("web", "api"), lock("api", "web"), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes if outcome] == [AbortedError]


async def test_serialization_failure_is_aborted(db: Database) -> None:
    async with db.system_transaction() as session:
        await session.execute(INSERT, {"slug": "web"})

    with pytest.raises(AbortedError):
        async with db.system_transaction() as session:
            await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            await session.execute(text("SELECT FROM teams"))
            async with db.system_transaction() as other:
                await other.execute(text("UPDATE teams SET name = 'other'"))
            await session.execute(text("UPDATE teams SET name = 'mine'"))


async def test_full_pool_is_overloaded_after_a_bounded_wait(db: Database) -> None:
    release = asyncio.Event()
    inside = asyncio.Semaphore(0)

    async def hold() -> None:
        async with db.system_transaction() as session:
            await session.execute(text("SELECT 1"))
            inside.release()
            await release.wait()

    holders = [asyncio.create_task(hold()) for _ in range(3)]
    for _ in holders:
        await inside.acquire()
    with pytest.raises(OverloadedError):
        async with reading(db) as session:
            await session.execute(text("SELECT 1"))
    release.set()
    await asyncio.gather(*holders)

    async with reading(db) as session:
        assert (await session.execute(text("SELECT 1"))).scalar_one() == 1


async def test_cancelled_call_cancels_its_statement(db: Database) -> None:
    marker = "SELECT pg_sleep(30) /* to be cancelled */"

    async def slow() -> None:
        async with reading(db) as session:
            await session.execute(text(marker))

    running = text("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep(30)%'")

    async def count() -> int:
        async with reading(db) as session:
            found: int = (await session.execute(running)).scalar_one()
            return found

    task = asyncio.create_task(slow())
    await eventually(count, 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await eventually(count, 0)


async def test_idle_connections_are_closed_when_load_no_longer_needs_them(fresh_database_url: str) -> None:
    db = database_at(fresh_database_url, size=6, idle=2)
    together = asyncio.Barrier(6)

    async def use() -> None:
        async with db.system_transaction() as session:
            await session.execute(text("SELECT 1"))
            await together.wait()

    async def connections() -> int:
        with psycopg.connect(fresh_database_url) as connection:
            row = connection.execute(CONNECTIONS).fetchone()
            assert row is not None
            return int(row[0])

    await asyncio.gather(*(use() for _ in range(6)))
    await db._pool.trim()
    after_first_trim = await connections()
    await db._pool.trim()

    assert after_first_trim == 6
    await eventually(connections, 2)
    await db.close()
