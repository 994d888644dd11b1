"""Behind a PgBouncer that keeps prepared statements, with DATABASE_PREPARED_STATEMENTS=true."""

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
"""There are fewer statements than this; PgBouncer keeps 200 unless told."""
FEW = WITH_PREPARED._replace(prepared_statements=25)
"""Fewer than there are statements, so that it often closes one for another; more than are ever sent together."""


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
    """What it makes of prepared statements, unless a test says so."""
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
    """Run a server that prepares its statements, and connect a client of it."""
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
        kept = statements_in_a_session(pooler)
        (counts,) = [row for row in pooler.show("SHOW STATS") if row["database"] == DATABASE]

    assert any("INSERT INTO teams" in statement for statement in kept)
    assert len(set(kept)) == len(kept) < MOST
    assert counts["total_server_parse_count"] == len(kept)


def statements_in_a_session(pooler: PgBouncer) -> list[str]:
    with psycopg.connect(pooler.url(DATABASE), autocommit=True) as connection:
        return [text for (text,) in connection.execute("SELECT statement FROM pg_prepared_statements")]


async def test_call_after_a_refused_one_is_answered(postgresql: PostgreSQL, pooler: PgBouncer) -> None:
    """What was sent together with what was refused was not prepared, though the pooler takes its name for used."""
    async with serving(postgresql.url()) as channel:
        taken = await make_team(team_pb2_grpc.TeamServiceStub(channel))
    async with serving(pooler.url(DATABASE), database_pool_size=1) as channel:
        teams = team_pb2_grpc.TeamServiceStub(channel)
        with refused(grpc.StatusCode.ALREADY_EXISTS):
            await make_team(teams, slug=taken.slug)

        assert (await make_team(teams, name="Other")).name == "Other"


async def keep_asking(teams: TeamServiceAsyncStub, stopped: asyncio.Event) -> int:
    """Call for as long as wanted, and return how often; no call may fail."""
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
        callers = [asyncio.create_task(keep_asking(teams, stopped)) for _ in range(6)]
        for statement in MIGRATIONS:
            await asyncio.sleep(0.2)
            await asyncio.to_thread(alter, postgresql, statement)
        await asyncio.sleep(0.2)
        stopped.set()
        calls = await asyncio.gather(*callers)

    assert all(calls)
    assert 1 <= [log["event"] for log in logs].count(PREPARED_AGAIN) <= len(MIGRATIONS)
    # The sessions still have what was prepared before, which a server that starts is not to be refused for either.
    async with serving(pooler.url(DATABASE)) as channel:
        started = team_pb2_grpc.TeamServiceStub(channel)
        team = await make_team(started)
        assert (await started.GetTeam(team_pb2.GetTeamRequest(id=team.id))).team == team
