"""A column gets another type, as by a migration, while statements that return it are prepared."""

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
from tests.support.servers.tour import expect_whole_trail
from tests.support.teams import make_team

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import grpc

    Ask = Callable[[grpc.aio.Channel, str], Awaitable[None]]

PREPARED_BY_THEN = 10
"""psycopg prepares what it has executed five times."""
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
    """Have the trail read, which SQLAlchemy executes and psycopg prepares."""
    await expect_whole_trail(channel, team_id)


@pytest.mark.parametrize("ask", [get, update, verify])
async def test_calls_are_answered_before_and_after(fresh_database_url: str, ask: Ask) -> None:
    async with running_server(fresh_database_url) as server, connected(server) as channel:
        team = await make_team(team_pb2_grpc.TeamServiceStub(channel))
        for length in (300, 400, 500):
            for _ in range(PREPARED_BY_THEN):
                await ask(channel, team.id)
            widen(fresh_database_url, length)

        await ask(channel, team.id)


async def test_call_is_to_run_again_that_had_its_transaction_before(fresh_database_url: str) -> None:
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


async def test_it_is_told_once_for_all_connections(fresh_database_url: str) -> None:
    async with running_server(fresh_database_url) as server, connected(server) as channel:
        team = await make_team(team_pb2_grpc.TeamServiceStub(channel))
        await asyncio.gather(*(update(channel, team.id) for _ in range(PREPARED_BY_THEN)))
        widen(fresh_database_url, 300)
        with capture_logs() as logs:
            for _ in range(2):
                await asyncio.gather(*(update(channel, team.id) for _ in range(PREPARED_BY_THEN)))

    assert [log["log_level"] for log in logs if log["event"] == PREPARED_AGAIN] == ["info"]
