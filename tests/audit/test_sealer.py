from __future__ import annotations

import asyncio
import signal
import time
import uuid
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg
import pytest
import structlog
from psycopg import sql

from stagely.v1 import audit_pb2_grpc, team_pb2_grpc
from stagely_rpc.audit import queries, sealer
from stagely_rpc.audit.chain import ChainKey
from stagely_rpc.audit.sealer import Sealer
from stagely_rpc.audit.verification import Verdict
from stagely_rpc.audit.verification import verify as verify_chain
from stagely_rpc.db.audit_entries import Entry
from tests.support.audit import KEY, make_chain, make_entry, opened, rows_of, seal_all, verify, write
from tests.support.databases import reading
from tests.support.eventually import eventually, logged
from tests.support.processes.service import serving, settings_for
from tests.support.rpc import connected, running_server
from tests.support.teams import make_team

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagely.v1.audit_pb2_grpc import AuditServiceAsyncStub
    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub
    from stagely_rpc.db.database import Database
    from tests.support.postgres import PostgresServer

WRITERS, ROWS_EACH = 8, 40


async def unsealed_rows(url: str) -> int:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        return len(await rows_of(connection, "SELECT FROM audit_unsealed"))


async def verdict_of(url: str, chain: uuid.UUID) -> Verdict:
    async with opened(url) as db, reading(db) as session:
        steps = [step async for step in verify_chain(session, KEY, chain, None)]
    assert isinstance(steps[-1], Verdict)
    return steps[-1]


async def test_row_is_sealed_within_a_second_of_its_commit(
    teams: TeamServiceAsyncStub, audit: AuditServiceAsyncStub
) -> None:
    for _ in range(3):
        team = await make_team(teams)
        committed = time.monotonic()

        async def sealed(team_id: str = team.id) -> int:
            return (await verify(audit, team_id)).verdict.head.position

        await eventually(sealed, 1)
        assert time.monotonic() - committed < 1


async def test_rows_are_sealed_in_the_order_of_their_timestamps(fresh_database_url: str) -> None:
    team_id = uuid.uuid4()
    async with opened(fresh_database_url) as db:
        for number in range(5):
            await write(db, make_entry(team_id, action=f"test.{number}"))
        await Sealer(db, KEY).seal()

    query = "SELECT action FROM audit_seals JOIN audit_logs ON id = audit_log_id ORDER BY position"
    async with await psycopg.AsyncConnection.connect(fresh_database_url) as connection:
        assert await rows_of(connection, query) == [(f"test.{number}",) for number in range(5)]


async def test_more_than_a_batch_is_sealed_in_one_round(
    fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealer, "_BATCH_ROWS", 3)
    team_id = uuid.uuid4()
    async with opened(fresh_database_url) as db:
        await write(db, *(make_entry(team_id) for _ in range(10)))
        await Sealer(db, KEY).seal()

    assert await unsealed_rows(fresh_database_url) == 0
    assert (await verdict_of(fresh_database_url, team_id)).head.position == 10


async def test_rows_without_a_team_form_a_chain(fresh_database_url: str) -> None:
    await make_chain(fresh_database_url, None, 3)

    assert (await verdict_of(fresh_database_url, uuid.UUID(int=0))).head.position == 3


async def write_in_parallel(db: Database, teams: list[uuid.UUID]) -> None:
    async def writer(number: int) -> None:
        for row in range(ROWS_EACH):
            await write(db, make_entry(teams[(number + row) % len(teams)]))

    await asyncio.gather(*map(writer, range(WRITERS)))


async def test_chains_of_parallel_writers_are_intact(fresh_database_url: str) -> None:
    teams = [uuid.uuid4() for _ in range(4)]
    async with opened(fresh_database_url) as db:
        one_sealer = Sealer(db, KEY)
        writing = asyncio.ensure_future(write_in_parallel(db, teams))
        while not writing.done():
            await one_sealer.seal()
        await writing
        await one_sealer.seal()

    verdicts = [await verdict_of(fresh_database_url, team) for team in teams]
    assert [verdict.fault for verdict in verdicts] == [None] * len(teams)
    assert sum(verdict.head.position for verdict in verdicts) == WRITERS * ROWS_EACH


async def test_two_servers_seal_one_audit_log(clone_database: Callable[[], str]) -> None:
    url = clone_database()
    async with AsyncExitStack() as undo:
        servers = [await undo.enter_async_context(running_server(url)) for _ in range(2)]
        channels = [await undo.enter_async_context(connected(server)) for server in servers]
        team = await make_team(team_pb2_grpc.TeamServiceStub(channels[0]))
        async with opened(url) as db:
            await write_in_parallel(db, [uuid.UUID(team.id)])

        await eventually(lambda: unsealed_rows(url), 0)
        for channel in channels:
            found = await verify(audit_pb2_grpc.AuditServiceStub(channel), team.id)
            assert (found.fault, found.verdict.head.position) == (None, WRITERS * ROWS_EACH + 1)


async def test_parallel_sealers_keep_a_chain_intact(fresh_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealer, "_BATCH_ROWS", 5)
    team_id = uuid.uuid4()
    async with AsyncExitStack() as undo:
        databases = [await undo.enter_async_context(opened(fresh_database_url)) for _ in range(4)]
        await write(databases[0], *(make_entry(team_id) for _ in range(200)))
        sealers = [Sealer(db, KEY) for db in databases]
        while await unsealed_rows(fresh_database_url):
            await asyncio.gather(*(each.seal() for each in sealers))

    verdict = await verdict_of(fresh_database_url, team_id)
    assert (verdict.fault, verdict.head.position) == (None, 200)


@pytest.mark.parametrize("moment", ["list_unsealed", "add_seals", "put_heads", "remove_unsealed"])
async def test_interrupted_sealing_leaves_rows_queued(
    fresh_database_url: str, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    team_id = uuid.uuid4()
    step = getattr(queries, moment)

    async def interrupted(*arguments: Any) -> None:
        await step(*arguments)
        raise ConnectionAbortedError

    async with opened(fresh_database_url) as db:
        await write(db, *(make_entry(team_id) for _ in range(3)))
        with monkeypatch.context() as patch, pytest.raises(ConnectionAbortedError):
            patch.setattr(queries, moment, interrupted)
            await Sealer(db, KEY).seal()
        assert await unsealed_rows(fresh_database_url) == 3
        await Sealer(db, KEY).seal()

    verdict = await verdict_of(fresh_database_url, team_id)
    assert (verdict.fault, verdict.head.position) == (None, 3)


async def test_killed_server_leaves_chains_intact(fresh_database_url: str) -> None:
    team_id = uuid.uuid4()
    for _ in range(3):
        with serving(["serve"], settings_for(fresh_database_url)) as running:
            async with opened(fresh_database_url) as db:
                await write_in_parallel(db, [team_id])
            running.stop(signal.SIGKILL)
    await seal_all(fresh_database_url, str(team_id))

    verdict = await verdict_of(fresh_database_url, team_id)
    assert (verdict.fault, verdict.head.position) == (None, 3 * WRITERS * ROWS_EACH)


async def test_stop_seals_the_remaining_rows(fresh_database_url: str) -> None:
    async with opened(fresh_database_url) as db:
        background_sealer = Sealer(db, KEY)
        background_sealer.start()
        await asyncio.sleep(sealer.INTERVAL_SECONDS / 2)
        await write(db, make_entry())
        await background_sealer.stop()

    assert await unsealed_rows(fresh_database_url) == 0


async def test_stop_gives_up_after_its_time_limit(fresh_database_url: str) -> None:
    async with (
        opened(fresh_database_url) as db,
        await psycopg.AsyncConnection.connect(fresh_database_url) as connection,
    ):
        blocked = Sealer(db, KEY)
        await write(db, make_entry())
        await connection.execute("LOCK TABLE audit_seals")
        blocked.start()
        started = time.monotonic()
        await blocked.stop()

        assert time.monotonic() - started < 5
        await connection.rollback()
        assert await unsealed_rows(fresh_database_url) == 1


async def test_writers_do_not_wait_for_a_blocked_sealer(fresh_database_url: str) -> None:
    team_id = uuid.uuid4()
    async with (
        opened(fresh_database_url) as db,
        await psycopg.AsyncConnection.connect(fresh_database_url) as connection,
    ):
        await write(db, make_entry(team_id))
        await connection.execute("LOCK TABLE audit_seals")
        sealing = asyncio.ensure_future(Sealer(db, KEY).seal())
        async with asyncio.timeout(5):
            for _ in range(10):
                await write(db, make_entry(team_id))
        assert not sealing.done()
        await connection.rollback()
        await sealing

    assert (await verdict_of(fresh_database_url, team_id)).fault is None


async def test_sealer_recovers_after_a_database_outage(
    fresh_database_url: str, postgres_server: PostgresServer
) -> None:
    name = sql.Identifier(urlsplit(fresh_database_url).path.removeprefix("/"))
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    end_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
    admin = await psycopg.AsyncConnection.connect(postgres_server.url, autocommit=True)
    with structlog.testing.capture_logs() as logs:
        async with admin, opened(fresh_database_url) as db:
            background_sealer = Sealer(db, KEY)
            background_sealer.start()
            await admin.execute(allow.format(name, sql.SQL("false")))
            await admin.execute(end_all, [urlsplit(fresh_database_url).path.removeprefix("/")])
            await logged(logs, 1, event="background job failed", job="audit sealer")
            await asyncio.sleep(3 * sealer.INTERVAL_SECONDS)
            await admin.execute(allow.format(name, sql.SQL("true")))
            await logged(logs, 1, event="background job recovered", job="audit sealer")
            await write(db, make_entry())
            await eventually(lambda: unsealed_rows(fresh_database_url), 0)
            await background_sealer.stop()

    assert len([log for log in logs if log["log_level"] == "error"]) == 1


async def test_chain_of_another_key_is_refused(fresh_database_url: str) -> None:
    team_id = uuid.uuid4()
    await make_chain(fresh_database_url, str(team_id), 2)
    async with opened(fresh_database_url) as db:
        await write(db, make_entry(team_id))
        with structlog.testing.capture_logs() as logs:
            other_key_sealer = Sealer(db, ChainKey(bytes(32)))
            await other_key_sealer.seal()
            await other_key_sealer.seal()

        assert [log["chain"] for log in logs if log["log_level"] == "error"] == [str(team_id)]
        await Sealer(db, KEY).seal()
    verdict = await verdict_of(fresh_database_url, team_id)
    assert (verdict.fault, verdict.head.position) == (None, 3)


async def test_refused_chain_does_not_delay_other_chains(
    fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealer, "_BATCH_ROWS", 2)
    broken, other = uuid.uuid4(), uuid.uuid4()
    await make_chain(fresh_database_url, str(broken), 1)
    async with opened(fresh_database_url) as db:
        await write(db, *(make_entry(broken) for _ in range(5)))
        await write(db, Entry(action="test.last", resource_type="team", team_id=other))
        await Sealer(db, ChainKey(bytes(32))).seal()

    assert await unsealed_rows(fresh_database_url) == 5
