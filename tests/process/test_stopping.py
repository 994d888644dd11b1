"""A server that gets a signal to stop: which calls it still serves, and how soon it ends."""

from __future__ import annotations

import signal
import subprocess
import time
from typing import TYPE_CHECKING

import grpc
import psycopg
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from stagely.v1 import team_pb2, team_pb2_grpc
from tests.support.own_postgres import own_postgres
from tests.support.processes.service import STAGELY_RPC, serving, settings_for
from tests.support.processes.workers import call_in_progress, until

if TYPE_CHECKING:
    from tests.support.processes.service import Running

SIGNALS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
LONG_SECONDS = "60"
SOON_SECONDS = 10


def channel_of(server: Running) -> grpc.Channel:
    """Connect like a new client, with a new connection."""
    return grpc.insecure_channel(server.address, options=[("grpc.use_local_subchannel_pool", 1)])


def begin_to_stop(server: Running, number: signal.Signals = signal.SIGTERM) -> None:
    server.process.send_signal(number)
    server.wait_for("(stopping)")


def test_health_reports_not_serving_at_once_and_calls_are_served_during_the_pause(fresh_database_url: str) -> None:
    env = settings_for(fresh_database_url, SHUTDOWN_PAUSE_SECONDS="3")
    with serving(["serve"], env) as server, channel_of(server) as known:
        teams = team_pb2_grpc.TeamServiceStub(known)
        teams.CreateTeam(team_pb2.CreateTeamRequest(slug="web", name="Web"), timeout=10)
        began = time.monotonic()

        begin_to_stop(server)
        with channel_of(server) as fresh:
            status = health_pb2_grpc.HealthStub(fresh).Check(health_pb2.HealthCheckRequest(), timeout=2).status
            found = [
                team_pb2_grpc.TeamServiceStub(channel).GetTeam(team_pb2.GetTeamRequest(slug="web"), timeout=2).team.slug
                for channel in (known, fresh)
            ]
        code = server.wait()

    assert status == NOT_SERVING
    assert found == ["web", "web"]
    assert code == 0
    assert time.monotonic() - began >= 3


@SIGNALS
def test_second_signal_during_the_pause_ends_the_server_at_once(
    fresh_database_url: str, number: signal.Signals
) -> None:
    env = settings_for(fresh_database_url, SHUTDOWN_PAUSE_SECONDS=LONG_SECONDS)
    with serving(["serve"], env) as server:
        begin_to_stop(server, number)
        began = time.monotonic()

        assert server.stop(number) == -number

    assert time.monotonic() - began < SOON_SECONDS


@SIGNALS
def test_second_signal_during_a_call_ends_the_server_at_once(fresh_database_url: str, number: signal.Signals) -> None:
    env = settings_for(fresh_database_url, SHUTDOWN_GRACE_SECONDS=LONG_SECONDS)
    with serving(["serve"], env) as server, call_in_progress(fresh_database_url, server) as (_, pending):
        begin_to_stop(server)
        time.sleep(0.5)
        assert server.process.poll() is None
        began = time.monotonic()

        assert server.stop(number) == -number

        assert time.monotonic() - began < SOON_SECONDS
        assert pending.exception() is not None


@pytest.mark.parametrize("workers", [1, 2])
def test_server_stops_in_time_even_if_the_database_hangs(workers: int) -> None:
    grace_seconds = 1
    with own_postgres() as postgres:
        env = settings_for(postgres.url, SHUTDOWN_GRACE_SECONDS=str(grace_seconds))
        with serving(["serve", "--workers", str(workers)], env) as server, channel_of(server) as channel:
            teams = team_pb2_grpc.TeamServiceStub(channel)
            teams.CreateTeam(team_pb2.CreateTeamRequest(slug="web", name="Web"), timeout=10)
            with postgres.paused():
                requests = [team_pb2.CreateTeamRequest(slug=f"late-{turn}", name="Late") for turn in range(3)]
                pending = [teams.CreateTeam.future(request, timeout=60) for request in requests]
                time.sleep(0.5)
                began = time.monotonic()

                code = server.stop()

                took = time.monotonic() - began
                assert all(call.exception() is not None for call in pending)

    assert code == 0
    assert took < grace_seconds + SOON_SECONDS


@pytest.mark.parametrize("workers", [1, 2])
def test_signal_during_startup_ends_the_server(fresh_database_url: str, workers: int) -> None:
    command = [str(STAGELY_RPC), "serve", "--workers", str(workers)]
    with psycopg.connect(fresh_database_url) as migrating:
        migrating.execute("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")
        process = subprocess.Popen(command, env=settings_for(fresh_database_url))
        try:
            until(lambda: waiting_for_a_lock(fresh_database_url) == workers)
            process.terminate()

            assert process.wait(timeout=SOON_SECONDS) == 0
        finally:
            process.kill()


def waiting_for_a_lock(url: str) -> int:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ).rowcount
