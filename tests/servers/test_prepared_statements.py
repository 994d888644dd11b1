"""The service behind a PgBouncer with prepared statements, with DATABASE_PREPARED_STATEMENTS=true."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, LiteralString

import grpc
import psycopg
import pytest
import structlog

from stagely.v1 import team_pb2, team_pb2_grpc
from tests.support.refusals import refused
from tests.support.rpc import connected, running_server
from tests.support.servers.poolers import WITH_PREPARED, Kind, pgbouncer
from tests.support.servers.postgresql import DATABASE
from tests.support.servers.tour import tour
from tests.support.teams import make_team

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub
    from tests.support.servers.poolers import PgBouncer
    from tests.support.servers.postgresql import PostgreSQL

SESSIONS = 3
MOST = 100
"""An upper limit of the number of statements. PgBouncer's default limit is 200."""
FEW = WITH_PREPARED._replace(prepared_statements=25)
"""Fewer than all statements, so that PgBouncer often closes one for another; more than are ever sent together."""

PREPARED_AGAIN = "column types changed: preparing all statements again"
MIGRATIONS: tuple[LiteralString, ...] = (
    "ALTER TABLE teams ADD COLUMN motto text",
    "ALTER TABLE teams ALTER COLUMN name TYPE varchar(300)",
    "ALTER TABLE teams ALTER COLUMN name TYPE varchar(255), DROP COLUMN motto",
)


@pytest.fixture
def pooler(postgresql: PostgreSQL, kind: Kind) -> Iterator[PgBouncer]:
    with pgbouncer(postgresql, kind, size=SESSIONS) as pooler:
        yield pooler


@pytest.fixture
def kind() -> Kind:
    """The kind of pooler. Tests can override it."""
    return WITH_PREPARED


@pytest.fixture
async def channel(pooler: PgBouncer) -> AsyncIterator[grpc.aio.Channel]:
    async with serving(pooler.url(DATABASE)) as channel:
        yield channel


@pytest.fixture
def teams(channel: grpc.aio.Channel) -> TeamServiceAsyncStub:
    return team_pb2_grpc.TeamServiceStub(channel)


@asynccontextmanager
async def serving(url: str, **overrides: object) -> AsyncIterator[grpc.aio.Channel]:
    """Run a server with prepared statements, and connect a client."""
    async with (
        running_server(url, database_prepared_statements=True, **overrides) as server,
        connected(server) as channel,
    ):
        yield channel


@pytest.mark.parametrize("kind", [WITH_PREPARED, FEW], ids=["all", "few"])
async def test_no_prepared_statement_is_lost(channel: grpc.aio.Channel, teams: TeamServiceAsyncStub) -> None:
    with structlog.testing.capture_logs() as logs:
        await tour(channel)
        await asyncio.gather(*(make_team(teams) for _ in range(100)))

    assert [log for log in logs if log["log_level"] in ("warning", "error")] == []


async def test_each_statement_is_prepared_once_per_session_for_any_number_of_clients(
    postgresql: PostgreSQL,
) -> None:
    with pgbouncer(postgresql, WITH_PREPARED, size=1) as pooler:
        for _ in range(2):
            async with serving(pooler.url(DATABASE)) as channel:
                await tour(channel)
        prepared = statements_in_a_session(pooler)
        (counts,) = [row for row in pooler.show("SHOW STATS") if row["database"] == DATABASE]

    assert any("INSERT INTO teams" in statement for statement in prepared)
    assert len(set(prepared)) == len(prepared) < MOST
    assert counts["total_server_parse_count"] == len(prepared)


def statements_in_a_session(pooler: PgBouncer) -> list[str]:
    with psycopg.connect(pooler.url(DATABASE), autocommit=True) as connection:
        return [text for (text,) in connection.execute("SELECT statement FROM pg_prepared_statements")]


async def test_call_after_a_refused_one_is_answered(postgresql: PostgreSQL, pooler: PgBouncer) -> None:
    """Statements after a failed one in a pipeline are not prepared, but the pooler records their names as prepared."""
    async with serving(postgresql.url()) as channel:
        taken = await make_team(team_pb2_grpc.TeamServiceStub(channel))
    async with serving(pooler.url(DATABASE), database_pool_size=1) as channel:
        teams = team_pb2_grpc.TeamServiceStub(channel)
        with refused(grpc.StatusCode.ALREADY_EXISTS):
            await make_team(teams, slug=taken.slug)

        assert (await make_team(teams, name="Other")).name == "Other"


async def call_repeatedly(teams: TeamServiceAsyncStub, stopped: asyncio.Event) -> int:
    """Call until the event is set. Return the number of calls. No call may fail."""
    calls = 0
    while not stopped.is_set():
        team = await make_team(teams)
        await teams.GetTeam(team_pb2.GetTeamRequest(id=team.id))
        await teams.UpdateTeam(team_pb2.UpdateTeamRequest(id=team.id, name="New"))
        calls += 3
    return calls


def alter(postgresql: PostgreSQL, statement: LiteralString) -> None:
    with psycopg.connect(postgresql.url(), autocommit=True) as connection:
        connection.execute(statement)


async def test_no_call_fails_during_migrations(
    postgresql: PostgreSQL, pooler: PgBouncer, teams: TeamServiceAsyncStub
) -> None:
    stopped = asyncio.Event()
    with structlog.testing.capture_logs() as logs:
        callers = [asyncio.create_task(call_repeatedly(teams, stopped)) for _ in range(6)]
        for statement in MIGRATIONS:
            await asyncio.sleep(0.2)
            await asyncio.to_thread(alter, postgresql, statement)
        await asyncio.sleep(0.2)
        stopped.set()
        calls = await asyncio.gather(*callers)

    assert all(calls)
    assert 1 <= [log["event"] for log in logs].count(PREPARED_AGAIN) <= len(MIGRATIONS)
    # The sessions still have the old prepared statements. A new server must start in spite of them.
    async with serving(pooler.url(DATABASE)) as channel:
        started = team_pb2_grpc.TeamServiceStub(channel)
        team = await make_team(started)
        assert (await started.GetTeam(team_pb2.GetTeamRequest(id=team.id))).team == team
