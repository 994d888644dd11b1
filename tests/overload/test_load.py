"""A server at its limits: which calls it refuses."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import grpc
import psycopg
from grpc_health.v1 import health_pb2, health_pb2_grpc

from stagely.v1 import id_pb2, id_pb2_grpc, team_pb2, team_pb2_grpc
from tests.support.eventually import eventually
from tests.support.refusals import refused
from tests.support.rpc import connected, running_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stagely_rpc.server.server import Server

WATCHERS = 100
SERVING = health_pb2.HealthCheckResponse.SERVING


@asynccontextmanager
async def busy_with_one_call(database_url: str, server: Server) -> AsyncIterator[None]:
    """Keep a call waiting for a locked row while the block runs."""
    async with (
        connected(server) as channel,
        await psycopg.AsyncConnection.connect(database_url) as holder,
        await psycopg.AsyncConnection.connect(database_url, autocommit=True) as observer,
    ):
        teams = team_pb2_grpc.TeamServiceStub(channel)
        team = (await teams.CreateTeam(team_pb2.CreateTeamRequest(slug="busy", name="Busy"))).team
        await holder.execute("SELECT FROM teams FOR UPDATE")
        pending = teams.UpdateTeam(team_pb2.UpdateTeamRequest(id=team.id, name="New"))

        async def waiting() -> int:
            locks = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            return (await observer.execute(locks)).rowcount

        await eventually(waiting, 1)
        yield
        await holder.rollback()
        assert (await pending).team.name == "New"


async def test_call_above_the_limit_is_refused_with_a_retry_delay(fresh_database_url: str) -> None:
    async with (
        running_server(fresh_database_url, max_concurrent_rpcs=1) as server,
        busy_with_one_call(fresh_database_url, server),
        connected(server) as channel,
    ):
        with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, reason="TOO_MANY_CALLS") as refusal:
            await id_pb2_grpc.IdServiceStub(channel).GenerateId(id_pb2.GenerateIdRequest())

    assert refusal.message == "too many calls in progress: the limit is 1"
    assert refusal.details["RetryInfo"].retry_delay.seconds == 1


async def test_health_check_succeeds_at_the_limit_of_calls(fresh_database_url: str) -> None:
    async with (
        running_server(fresh_database_url, max_concurrent_rpcs=1) as server,
        busy_with_one_call(fresh_database_url, server),
        connected(server) as channel,
    ):
        health = health_pb2_grpc.HealthStub(channel)

        answer = await health.Check(health_pb2.HealthCheckRequest())

    assert answer.status == SERVING


async def test_hundred_watch_streams_do_not_count_as_calls(database_url: str) -> None:
    async with running_server(database_url, max_concurrent_rpcs=1) as server, connected(server) as channel:
        health, ids = health_pb2_grpc.HealthStub(channel), id_pb2_grpc.IdServiceStub(channel)
        watchers = [health.Watch(health_pb2.HealthCheckRequest()) for _ in range(WATCHERS)]
        for watcher in watchers:
            assert (await watcher.read()).status == SERVING

        answer = await ids.GenerateId(id_pb2.GenerateIdRequest())

        for watcher in watchers:
            watcher.cancel()
    assert answer.id
