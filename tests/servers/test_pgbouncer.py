"""The service behind a PgBouncer in transaction pooling mode."""

from __future__ import annotations

import uuid
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
import psycopg
import pytest
import structlog
from sqlalchemy import BigInteger, bindparam, column, select, table

from stagely.v1 import environment_pb2_grpc, team_pb2, team_pb2_grpc
from stagely_rpc.db.schema import migrations
from stagely_rpc.db.schema.migrations import MigrationError
from stagely_rpc.db.sql.statement import Statement
from stagely_rpc.errors import AbortedError
from tests.support.databases import database_at, reading, writing
from tests.support.environments import count_live, make_environment, make_project
from tests.support.eventually import logged
from tests.support.racing import outcomes, until_calls_wait
from tests.support.rpc import connected, running_server
from tests.support.servers.poolers import WITH_PREPARED, WITHOUT_PREPARED, WITHOUT_PREPARED_NEW, pgbouncer
from tests.support.servers.postgresql import DATABASE
from tests.support.servers.tour import tour
from tests.support.teams import make_team

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub
    from stagely_rpc.db.database import Database
    from tests.support.servers.poolers import Kind, PgBouncer
    from tests.support.servers.postgresql import PostgreSQL

SETTINGS = (None, "true", "false")
DEFAULT_AND_PREPARED = pytest.mark.parametrize("prepared_statements", [None, "true"])
STATEMENTS_LOST = "a pooler loses prepared statements: set DATABASE_PREPARED_STATEMENTS=false"

ADDED = Statement(select((bindparam("a", type_=BigInteger()) + 1).label("sum")))
NAMES = Statement(select(column("name")).select_from(table("pg_prepared_statements")))


WITHOUT_PREPARED_KINDS = pytest.mark.parametrize("kind", [WITHOUT_PREPARED, WITHOUT_PREPARED_NEW], ids=["old", "new"])


@pytest.fixture(scope="module", params=[WITHOUT_PREPARED, WITH_PREPARED], ids=["without_prepared", "with_prepared"])
def kind(request: pytest.FixtureRequest) -> Kind:
    """The kind of pooler. Tests can override it."""
    kind: Kind = request.param
    return kind


@pytest.fixture(scope="module")
def pooler(postgresql: PostgreSQL, kind: Kind) -> Iterator[PgBouncer]:
    with pgbouncer(postgresql, kind) as pooler:
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
    """Run a server with a database, and connect a client."""
    async with running_server(url, **overrides) as server, connected(server) as channel:
        yield channel


@pytest.mark.parametrize("prepared_statements", SETTINGS)
async def test_every_rpc_works(url: str, prepared_statements: str) -> None:
    async with serving(url, database_prepared_statements=prepared_statements) as channel:
        await tour(channel)


@pytest.mark.parametrize("prepared_statements", SETTINGS)
async def test_fifty_concurrent_callers_are_all_answered(url: str, prepared_statements: str) -> None:
    limits = {"database_pool_size": 20, "database_prepared_statements": prepared_statements}
    async with AsyncExitStack() as stack:
        channels = [await stack.enter_async_context(serving(url, **limits)) for _ in range(2)]
        stubs = [team_pb2_grpc.TeamServiceStub(channel) for channel in channels]

        async def create_list_and_get(number: int) -> str:
            stub = stubs[number % len(stubs)]
            team = await make_team(stub, name=f"Team {number}")
            listed = await stub.ListTeams(team_pb2.ListTeamsRequest(page_size=5))
            assert listed.teams
            found = await stub.GetTeam(team_pb2.GetTeamRequest(id=team.id))
            return found.team.name

        names, refusals = await outcomes(create_list_and_get(number) for number in range(50))

    assert refusals == Counter()
    assert sorted(names) == sorted(f"Team {number}" for number in range(50))


@DEFAULT_AND_PREPARED
async def test_quota_is_exact(url: str, postgresql: PostgreSQL, prepared_statements: str | None) -> None:
    limits = {"database_pool_size": 20, "database_pool_wait_seconds": 60}
    async with serving(url, database_prepared_statements=prepared_statements, **limits) as channel:
        teams = team_pb2_grpc.TeamServiceStub(channel)
        environments = environment_pb2_grpc.EnvironmentServiceStub(channel)
        project_id = await make_project(teams, postgresql.url(), quota=5)
        made, refusals = await outcomes(make_environment(environments, project_id) for _ in range(50))

    assert len(made) == 5
    assert refusals == {"ENVIRONMENT_QUOTA_EXCEEDED": 45}
    assert await count_live(postgresql.url(), project_id) == 5


@asynccontextmanager
async def locked_teams(postgresql: PostgreSQL) -> AsyncIterator[None]:
    """Lock the table of teams while the block runs, so that its statements wait."""
    async with await psycopg.AsyncConnection.connect(postgresql.url()) as blocker:
        await blocker.execute("LOCK TABLE teams IN ACCESS EXCLUSIVE MODE")
        yield


def calls_of_teams(teams: TeamServiceAsyncStub, **options: Any) -> list[grpc.aio.UnaryUnaryCall[Any, Any]]:
    """Start a call of each kind."""
    return [
        teams.GetTeam(team_pb2.GetTeamRequest(slug="web"), **options),
        teams.ListTeams(team_pb2.ListTeamsRequest(), **options),
        teams.DeleteTeam(team_pb2.DeleteTeamRequest(id=str(uuid.uuid4())), **options),
    ]


@DEFAULT_AND_PREPARED
async def test_statements_end_at_the_deadlines_of_their_calls(
    url: str, postgresql: PostgreSQL, prepared_statements: str | None
) -> None:
    async with serving(url, database_prepared_statements=prepared_statements) as channel, locked_teams(postgresql):
        with structlog.testing.capture_logs() as logs:
            calls = calls_of_teams(team_pb2_grpc.TeamServiceStub(channel), timeout=1)
            await until_calls_wait(postgresql.url(), len(calls))

            assert {await call.code() for call in calls} == {grpc.StatusCode.DEADLINE_EXCEEDED}
            await until_calls_wait(postgresql.url(), 0)
            await logged(logs, len(calls), event="call", code="DEADLINE_EXCEEDED")


@DEFAULT_AND_PREPARED
async def test_statements_end_when_their_callers_leave(
    url: str, postgresql: PostgreSQL, prepared_statements: str | None
) -> None:
    async with serving(url, database_prepared_statements=prepared_statements) as channel, locked_teams(postgresql):
        calls = calls_of_teams(team_pb2_grpc.TeamServiceStub(channel))
        await until_calls_wait(postgresql.url(), len(calls))

        with structlog.testing.capture_logs() as logs:
            for call in calls:
                call.cancel()
            await until_calls_wait(postgresql.url(), 0)
            await logged(logs, len(calls), event="call", code="CANCELLED")


async def names_in_a_session(db: Database) -> list[str]:
    """Run two statements in a session, and return the names of the session's prepared statements."""
    async with writing(db) as session:
        await session.ask(ADDED.value(a=1))
        (found,) = await session.ask(NAMES.all())
    return [name for (name,) in found if name.startswith(("stagely_", "PGBOUNCER_"))]


async def added(db: Database, number: int) -> int:
    async with reading(db) as session:
        (found,) = await session.ask(ADDED.value(a=number))
    return int(found)


async def test_nothing_is_prepared_behind_a_pooler_by_default(postgresql: PostgreSQL, kind: Kind) -> None:
    with structlog.testing.capture_logs() as logs, pgbouncer(postgresql, kind) as pooler:
        async with database(pooler.url(DATABASE)) as pooled, database(postgresql.url()) as direct:
            assert await names_in_a_session(pooled) == []
            assert await names_in_a_session(direct) != []

    assert logs == []


def forget(pooler: PgBouncer) -> None:
    """Deallocate the prepared statements of the pooler's only connection, as if it were another connection."""
    with psycopg.connect(pooler.url(DATABASE), autocommit=True) as connection:
        connection.execute("DEALLOCATE ALL")


@WITHOUT_PREPARED_KINDS
async def test_read_with_a_lost_statement_is_retried_and_preparing_is_turned_off(
    postgresql: PostgreSQL, kind: Kind
) -> None:
    with structlog.testing.capture_logs() as logs, pgbouncer(postgresql, kind, size=1) as pooler:
        async with database(pooler.url(DATABASE), prepared_statements=True) as db:
            for number in range(3):
                assert await added(db, number) == number + 1
                forget(pooler)

            assert await names_in_a_session(db) == []

    assert [log["event"] for log in logs] == [STATEMENTS_LOST]


@WITHOUT_PREPARED_KINDS
async def test_calls_succeed_when_their_statements_are_lost(postgresql: PostgreSQL, kind: Kind) -> None:
    with structlog.testing.capture_logs() as logs, pgbouncer(postgresql, kind, size=1) as pooler:
        async with serving(pooler.url(DATABASE), database_prepared_statements=True) as channel:
            teams = team_pb2_grpc.TeamServiceStub(channel)
            for _ in range(3):
                await make_team(teams)
                forget(pooler)

    assert [log["event"] for log in logs if log["log_level"] == "error"] == [STATEMENTS_LOST]


@WITHOUT_PREPARED_KINDS
async def test_lost_statement_within_a_transaction_lets_the_call_run_again(postgresql: PostgreSQL, kind: Kind) -> None:
    with pgbouncer(postgresql, kind, size=1) as pooler:
        async with database(pooler.url(DATABASE), prepared_statements=True, size=1) as db:
            with pytest.raises(AbortedError) as lost:
                async with writing(db) as session:
                    await session.ask(ADDED.value(a=1))
                    assert session._lease is not None
                    await session._lease._driver.execute("DEALLOCATE ALL")
                    await session.ask(ADDED.value(a=1))

    assert lost.value.may_run_again


def test_migration_through_a_pooler_is_refused(url: str) -> None:
    with pytest.raises(MigrationError, match=r"^a connection pooler is in between: migrate with a direct url"):
        migrations.upgrade(url)

    assert migrations.current_revision(url) == migrations.head_revision()
