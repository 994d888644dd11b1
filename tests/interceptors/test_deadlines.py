"""When a call ends early, at its deadline or because its caller left, its statement in PostgreSQL ends too."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
import psycopg
import pytest
from structlog.testing import capture_logs

from stagely.v1 import team_pb2, team_pb2_grpc
from tests.support.eventually import eventually, logged
from tests.support.refusals import refused
from tests.support.rpc import connected, running_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub
    from stagely_rpc.server.server import Server

    Start = Callable[..., Any]

_WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'stagely-rpc' AND wait_event_type = 'Lock'
"""


class Blocked:
    """A service whose calls wait, because another session has locked the table of teams."""

    def __init__(self, teams: TeamServiceAsyncStub, blocker: psycopg.AsyncConnection[Any]) -> None:
        self.teams = teams
        self._blocker = blocker

    async def waiting(self) -> int:
        """Return the number of the service's statements that wait for the lock."""
        row = await (await self._blocker.execute(_WAITING)).fetchone()
        return row[0] if row else 0

    async def unlock(self) -> None:
        await self._blocker.rollback()


@asynccontextmanager
async def blocked(url: str, **settings: object) -> AsyncIterator[Blocked]:
    async with running_server(url, **settings) as server, connected(server) as channel:
        teams = team_pb2_grpc.TeamServiceStub(channel)
        await teams.CreateTeam(team_pb2.CreateTeamRequest(slug="web", name="Web"))
        async with await psycopg.AsyncConnection.connect(url) as blocker:
            await blocker.execute("LOCK TABLE teams IN ACCESS EXCLUSIVE MODE")
            yield Blocked(teams, blocker)


def point_read(teams: TeamServiceAsyncStub, **options: Any) -> Any:
    return teams.GetTeam(team_pb2.GetTeamRequest(slug="web"), **options)


def list_(teams: TeamServiceAsyncStub, **options: Any) -> Any:
    return teams.ListTeams(team_pb2.ListTeamsRequest(), **options)


def write(teams: TeamServiceAsyncStub, **options: Any) -> Any:
    return teams.CreateTeam(team_pb2.CreateTeamRequest(slug="new", name="New", request_id=str(uuid.uuid4())), **options)


def locking_write(teams: TeamServiceAsyncStub, **options: Any) -> Any:
    return teams.DeleteTeam(team_pb2.DeleteTeamRequest(id=str(uuid.uuid4())), **options)


CALLS = pytest.mark.parametrize("start", [point_read, list_, write, locking_write])


@CALLS
async def test_statement_ends_at_the_deadline_of_its_call(fresh_database_url: str, start: Start) -> None:
    async with blocked(fresh_database_url) as service:
        call = asyncio.ensure_future(start(service.teams, timeout=1))
        await eventually(service.waiting, 1)

        with capture_logs() as logs:
            with pytest.raises(grpc.aio.AioRpcError) as refusal:
                await call
            await eventually(service.waiting, 0)
            await logged(logs, 1, event="call", code="DEADLINE_EXCEEDED")

        assert refusal.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


@CALLS
async def test_statement_ends_when_its_caller_cancels(fresh_database_url: str, start: Start) -> None:
    async with blocked(fresh_database_url) as service:
        call = start(service.teams)
        await eventually(service.waiting, 1)

        with capture_logs() as logs:
            call.cancel()
            await eventually(service.waiting, 0)
            await logged(logs, 1, event="call", code="CANCELLED")


@CALLS
async def test_statement_ends_at_the_default_deadline(fresh_database_url: str, start: Start) -> None:
    async with blocked(fresh_database_url, default_deadline_seconds=0.5) as service:
        with refused(grpc.StatusCode.DEADLINE_EXCEEDED, reason="DEFAULT_DEADLINE_EXCEEDED"):
            await start(service.teams)

        await eventually(service.waiting, 0)


async def test_call_may_set_a_later_deadline_than_the_default(fresh_database_url: str) -> None:
    async with blocked(fresh_database_url, default_deadline_seconds=0.1) as service:
        call = asyncio.ensure_future(point_read(service.teams, timeout=20))
        await eventually(service.waiting, 1)
        await asyncio.sleep(0.2)
        await service.unlock()

        assert (await call).team.slug == "web"


async def test_batched_statement_runs_until_its_last_caller_has_left(fresh_database_url: str) -> None:
    async with blocked(fresh_database_url) as service:
        impatient = asyncio.ensure_future(point_read(service.teams, timeout=0.5))
        patient = asyncio.ensure_future(point_read(service.teams, timeout=20))
        with pytest.raises(grpc.aio.AioRpcError):
            await impatient
        await eventually(service.waiting, 1)
        await service.unlock()

        assert (await patient).team.slug == "web"


@CALLS
async def test_connection_is_reused_after_a_cancelled_statement(fresh_database_url: str, start: Start) -> None:
    async with blocked(fresh_database_url, database_pool_size=1) as service:
        for _ in range(3):
            with pytest.raises(grpc.aio.AioRpcError):
                await start(service.teams, timeout=0.3)
        await service.unlock()

        assert (await point_read(service.teams, timeout=20)).team.slug == "web"


async def test_write_that_ended_early_has_no_effect(fresh_database_url: str) -> None:
    async with blocked(fresh_database_url) as service:
        with pytest.raises(grpc.aio.AioRpcError):
            await write(service.teams, timeout=0.5)
        await eventually(service.waiting, 0)
        await service.unlock()

    async with await psycopg.AsyncConnection.connect(fresh_database_url) as connection:
        counted = await connection.execute(
            "SELECT (SELECT count(*) FROM teams), (SELECT count(*) FROM audit_logs),"
            " (SELECT count(*) FROM idempotency_keys)"
        )
        assert await counted.fetchone() == (1, 1, 0)


@pytest.mark.parametrize("read", [point_read, list_])
async def test_read_survives_the_loss_of_every_connection(fresh_database_url: str, read: Start) -> None:
    # No encryption key, so that no sealer runs: a background job could notice the lost connections first.
    async with running_server(fresh_database_url, encryption_key=None) as server, connected(server) as channel:
        teams = team_pb2_grpc.TeamServiceStub(channel)
        await teams.CreateTeam(team_pb2.CreateTeamRequest(slug="web", name="Web"))
        await terminate_all(fresh_database_url)

        await read(teams)


async def test_write_with_a_lost_connection_is_unavailable_and_can_be_retried(fresh_database_url: str) -> None:
    async with running_server(fresh_database_url, encryption_key=None) as server, connected(server) as channel:
        teams = team_pb2_grpc.TeamServiceStub(channel)
        await teams.CreateTeam(team_pb2.CreateTeamRequest(slug="web", name="Web"))
        # Wait for background jobs: one that lost its connection would have replaced all connections.
        await eventually(lambda: in_use(server), 0)
        await terminate_all(fresh_database_url)

        with refused(grpc.StatusCode.UNAVAILABLE) as refusal:
            await write(teams)

        assert refusal.details["RetryInfo"].retry_delay.ToMilliseconds() > 0
        await write(teams)


async def in_use(server: Server) -> int:
    return server._db.connections().in_use


async def terminate_all(url: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'stagely-rpc'"
        )
