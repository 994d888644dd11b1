"""A migration changes the type of a column while prepared statements return that column."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import column, literal_column, select, table
from structlog.testing import capture_logs

from stagely.v1 import team_pb2, team_pb2_grpc
from stagely_rpc.db.sql.statement import Statement
from stagely_rpc.errors import AbortedError
from tests.support.databases import database_at, writing
from tests.support.rpc import connected, running_server
from tests.support.servers.tour import expect_sealed_audit_log
from tests.support.teams import make_team

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import grpc

    Request = Callable[[grpc.aio.Channel, str], Awaitable[None]]

CALLS_UNTIL_PREPARED = 10
"""More than enough: psycopg prepares a statement after five executions."""
PREPARED_AGAIN = "column types changed: preparing all statements again"

NUMBER = Statement(select(literal_column("1").label("number")))
NAMES = Statement(select(column("name")).select_from(table("teams")))


def widen(url: str, length: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for table_, column_ in (("teams", "name"), ("audit_logs", "actor_email")):
            alter = sql.SQL("ALTER TABLE {} ALTER COLUMN {} TYPE varchar({})")
            connection.execute(alter.format(sql.Identifier(table_), sql.Identifier(column_), length))


async def get(channel: grpc.aio.Channel, team_id: str) -> None:
    await team_pb2_grpc.TeamServiceStub(channel).GetTeam(team_pb2.GetTeamRequest(id=team_id))


async def update(channel: grpc.aio.Channel, team_id: str) -> None:
    await team_pb2_grpc.TeamServiceStub(channel).UpdateTeam(team_pb2.UpdateTeamRequest(id=team_id, name="New"))


async def verify(channel: grpc.aio.Channel, team_id: str) -> None:
    """Verify the audit log. SQLAlchemy executes this read, and psycopg prepares it."""
    await expect_sealed_audit_log(channel, team_id)


@pytest.mark.parametrize("request_team", [get, update, verify])
async def test_calls_succeed_before_and_after_the_change(fresh_database_url: str, request_team: Request) -> None:
    async with running_server(fresh_database_url) as server, connected(server) as channel:
        team = await make_team(team_pb2_grpc.TeamServiceStub(channel))
        for length in (300, 400, 500):
            for _ in range(CALLS_UNTIL_PREPARED):
                await request_team(channel, team.id)
            widen(fresh_database_url, length)

        await request_team(channel, team.id)


async def test_write_whose_transaction_began_before_the_change_may_run_again(fresh_database_url: str) -> None:
    db = database_at(fresh_database_url, size=1)
    await db.start()
    try:
        async with writing(db) as session:
            await session.ask(NAMES.all())
        with pytest.raises(AbortedError) as lost:
            async with writing(db) as session:
                await session.ask(NUMBER.value())
                widen(fresh_database_url, 300)
                await session.ask(NAMES.all())
        async with writing(db) as session:
            assert await session.ask(NUMBER.value(), NAMES.all()) == (1, [])
    finally:
        await db.close()

    assert lost.value.may_run_again


async def test_change_is_logged_once_for_all_connections(fresh_database_url: str) -> None:
    async with running_server(fresh_database_url) as server, connected(server) as channel:
        team = await make_team(team_pb2_grpc.TeamServiceStub(channel))
        await asyncio.gather(*(update(channel, team.id) for _ in range(CALLS_UNTIL_PREPARED)))
        widen(fresh_database_url, 300)
        with capture_logs() as logs:
            for _ in range(2):
                await asyncio.gather(*(update(channel, team.id) for _ in range(CALLS_UNTIL_PREPARED)))

    assert [log["log_level"] for log in logs if log["event"] == PREPARED_AGAIN] == ["info"]
