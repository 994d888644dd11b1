"""Behind a PgBouncer that lends its sessions for a transaction each."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from sqlalchemy import BigInteger, bindparam, column, select, table

from stagely.v1 import environment_pb2_grpc, team_pb2, team_pb2_grpc
from stagely_rpc.db import migrations
from stagely_rpc.db.migrations import MigrationError
from stagely_rpc.db.statements import Statement
from stagely_rpc.errors import AbortedError
from tests.databases import database_at, reading, writing
from tests.environments.make import count_live, make_environment, make_project
from tests.environments.racing import outcomes
from tests.rpc import connected, running_server
from tests.servers.poolers import pgbouncer
from tests.servers.postgresql import DATABASE
from tests.servers.tour import tour
from tests.teams.make import make_team

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    import grpc

    from stagely_rpc.db.engine import Database
    from tests.servers.poolers import PgBouncer
    from tests.servers.postgresql import PostgreSQL

SETTINGS = (None, "true", "false")
FORGETS = "a pooler forgets prepared statements: set DATABASE_PREPARED_STATEMENTS=false"

ADDED = Statement(select((bindparam("a", type_=BigInteger()) + 1).label("sum")))
NAMES = Statement(select(column("name")).select_from(table("pg_prepared_statements")))


@pytest.fixture(scope="module")
def pooler(postgresql: PostgreSQL) -> Iterator[PgBouncer]:
    with pgbouncer(postgresql) as pooler:
        yield pooler


@pytest.fixture(scope="module")
def url(pooler: PgBouncer) -> str:
    return pooler.url(DATABASE)


@asynccontextmanager
async def database(url: str, **limits: Any) -> AsyncIterator[Database]:
    db = database_at(url, **limits)
    await db.start()
    try:
        yield db
    finally:
        await db.close()


@asynccontextmanager
async def serving(url: str, **overrides: object) -> AsyncIterator[grpc.aio.Channel]:
    """Run a server over a database, and connect a client of it."""
    async with running_server(url, **overrides) as server, connected(server) as channel:
        yield channel


@pytest.mark.parametrize("prepared_statements", SETTINGS)
async def test_every_rpc_is_answered(url: str, prepared_statements: str) -> None:
    async with serving(url, database_prepared_statements=prepared_statements) as channel:
        await tour(channel)


@pytest.mark.parametrize("prepared_statements", SETTINGS)
async def test_fifty_callers_at_once_are_all_answered(url: str, prepared_statements: str) -> None:
    limits = {"database_pool_size": 20, "database_prepared_statements": prepared_statements}
    async with AsyncExitStack() as stack:
        channels = [await stack.enter_async_context(serving(url, **limits)) for _ in range(2)]
        stubs = [team_pb2_grpc.TeamServiceStub(channel) for channel in channels]

        async def life(number: int) -> str:
            stub = stubs[number % len(stubs)]
            team = await make_team(stub, name=f"Team {number}")
            listed = await stub.ListTeams(team_pb2.ListTeamsRequest(page_size=5))
            assert listed.teams
            found = await stub.GetTeam(team_pb2.GetTeamRequest(id=team.id))
            return found.team.name

        names, refusals = await outcomes(life(number) for number in range(50))

    assert refusals == Counter()
    assert sorted(names) == sorted(f"Team {number}" for number in range(50))


async def test_quota_is_exact(url: str, postgresql: PostgreSQL) -> None:
    async with serving(url, database_pool_size=20, database_pool_wait_seconds=60) as channel:
        teams = team_pb2_grpc.TeamServiceStub(channel)
        environments = environment_pb2_grpc.EnvironmentServiceStub(channel)
        project_id = await make_project(teams, postgresql.url(), quota=5)
        made, refusals = await outcomes(make_environment(environments, project_id) for _ in range(50))

    assert len(made) == 5
    assert refusals == {"ENVIRONMENT_QUOTA_EXCEEDED": 45}
    assert await count_live(postgresql.url(), project_id) == 5


async def names_in_a_session(db: Database) -> list[str]:
    """Return the names of the statements that are prepared in a session in which two were just asked."""
    async with writing(db) as session:
        await session.ask(ADDED.value(a=1))
        (found,) = await session.ask(NAMES.rows())
    return [row.name for row in found if row.name.startswith("stagely")]


async def added(db: Database, number: int) -> int:
    async with reading(db) as session:
        (found,) = await session.ask(ADDED.value(a=number))
    return int(found)


async def test_nothing_is_prepared_where_a_pooler_is_in_between(postgresql: PostgreSQL) -> None:
    with structlog.testing.capture_logs() as logs, pgbouncer(postgresql) as pooler:
        async with database(pooler.url(DATABASE)) as pooled, database(postgresql.url()) as direct:
            assert await names_in_a_session(pooled) == []
            assert await names_in_a_session(direct) != []

    assert logs == []


async def test_read_whose_statement_was_forgotten_is_asked_again_and_nothing_is_prepared_from_then_on(
    postgresql: PostgreSQL,
) -> None:
    with structlog.testing.capture_logs() as logs, pgbouncer(postgresql) as pooler:
        async with database(pooler.url(DATABASE), prepared_statements=True) as db:
            # Together, so that it takes several sessions; each of the pool's connections meets them all in turn.
            for _ in range(5):
                sums = await asyncio.gather(*(added(db, number) for number in range(20)))
                assert sums == list(range(1, 21))

    assert [log["event"] for log in logs] == [FORGETS]


async def test_calls_run_again_when_their_statements_were_forgotten(postgresql: PostgreSQL) -> None:
    """One after the other, so that each of the pooler's sessions is met with other statements prepared in it."""
    with structlog.testing.capture_logs() as logs, pgbouncer(postgresql) as pooler:
        async with serving(pooler.url(DATABASE), database_prepared_statements=True) as channel:
            teams = team_pb2_grpc.TeamServiceStub(channel)
            for _ in range(20):
                await make_team(teams)

    assert [log["event"] for log in logs if log["log_level"] == "error"] == [FORGETS]


async def test_forgotten_statement_within_a_transaction_has_the_call_run_again(postgresql: PostgreSQL) -> None:
    with pgbouncer(postgresql, size=1) as pooler:
        async with database(pooler.url(DATABASE), prepared_statements=True, size=1) as db:
            with pytest.raises(AbortedError) as lost:
                async with writing(db) as session:
                    await session.ask(ADDED.value(a=1))
                    assert session._lease is not None
                    await session._lease._connection.execute("DEALLOCATE ALL")
                    await session.ask(ADDED.value(a=1))

    assert lost.value.may_run_again


def test_migrating_is_refused_where_the_lock_would_be_left_behind(url: str) -> None:
    with pytest.raises(MigrationError, match=r"^a connection pooler is in between: migrate with the database url of"):
        migrations.upgrade(url)

    assert migrations.current_revision(url) == migrations.head_revision()
