"""The metrics of several workers at one endpoint."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import grpc
import pytest

from stagely.v1 import team_pb2
from tests.support.processes.service import run, settings_for
from tests.support.processes.workers import (
    CONNECTIONS,
    call_in_progress,
    connect,
    metrics_of,
    two_workers,
    until,
    workers_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.processes.service import Running


def test_calls_of_all_workers_are_added_up(pair: Running) -> None:
    ended = 'stagely_rpc_calls_total{code="NOT_FOUND",method="stagely.v1.TeamService/GetTeam"}'
    with ExitStack() as stack:
        for _ in range(CONNECTIONS):
            pending = connect(pair, stack).GetTeam.future(team_pb2.GetTeamRequest(slug="nobody"), timeout=10)
            assert pending.code() is grpc.StatusCode.NOT_FOUND

        until(lambda: metrics_of(pair).get(ended) == CONNECTIONS)


def test_memory_of_each_worker_is_in_the_metrics(pair: Running) -> None:
    found = [metrics_of(pair)[f'stagely_rpc_worker_resident_bytes{{worker="{number}"}}'] for number in (1, 2)]

    assert found == pytest.approx([worker.memory_info().rss for worker in workers_of(pair)], rel=0.1)


def test_counters_outlive_a_worker_but_not_the_supervisor(fresh_database_url: str, tmp_path: Path) -> None:
    ended = 'stagely_rpc_calls_total{code="OK",method="stagely.v1.TeamService/ListTeams"}'
    with two_workers(fresh_database_url, METRICS_PORT="0", TMPDIR=str(tmp_path)) as server:
        with ExitStack() as stack:
            for _ in range(CONNECTIONS):
                connect(server, stack).ListTeams(team_pb2.ListTeamsRequest(), timeout=10)
        until(lambda: metrics_of(server).get(ended) == CONNECTIONS)
        for worker in workers_of(server):
            worker.kill()
        for _ in range(2):
            server.wait_for("(worker replaced)")

        with ExitStack() as stack:
            connect(server, stack).ListTeams(team_pb2.ListTeamsRequest(), timeout=10)

        until(lambda: metrics_of(server)[ended] == CONNECTIONS + 1)
        assert metrics_of(server)['stagely_rpc_worker_restarts_total{worker="1"}'] == 1
        assert server.stop() == 0

    assert list(tmp_path.iterdir()) == []


def test_call_of_a_dead_worker_no_longer_counts_as_in_flight(fresh_database_url: str) -> None:
    with (
        two_workers(fresh_database_url, METRICS_PORT="0") as server,
        call_in_progress(fresh_database_url, server) as (_, pending),
    ):
        until(lambda: metrics_of(server)["stagely_rpc_calls_in_flight"] == 1)

        for worker in workers_of(server):
            worker.kill()
        pending.exception()

        until(lambda: metrics_of(server).get("stagely_rpc_calls_in_flight", 0) == 0)


def test_taken_metrics_port_is_reported_in_one_line(fresh_database_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        for command in (["serve"], ["serve", "--workers", "2"]):
            ended = run(*command, env=settings_for(fresh_database_url, METRICS_PORT=port))

            assert ended.returncode == 2
            assert ended.stderr == f"stagely-rpc: can't listen on 127.0.0.1:{port}: is the port taken?\n"
