from __future__ import annotations

import signal
import sys
import uuid
from pathlib import Path

import grpc
import psycopg
import pytest

from stagely.v1 import team_pb2, team_pb2_grpc
from tests.support.processes.service import serving, settings_for


def create_team(address: str, request: team_pb2.CreateTeamRequest) -> team_pb2.Team:
    with grpc.insecure_channel(address) as channel:
        return team_pb2_grpc.TeamServiceStub(channel).CreateTeam(request, timeout=20).team


def effects(url: str) -> list[int]:
    tables = ("teams", "audit_logs", "idempotency_keys")
    with psycopg.connect(url) as connection:
        return [len(connection.execute(f"TABLE {table}").fetchall()) for table in tables]


def test_retry_after_a_lost_response_has_no_second_effect(fresh_database_url: str) -> None:
    request = team_pb2.CreateTeamRequest(slug="web", name="Web", request_id=str(uuid.uuid4()))
    env, python = settings_for(fresh_database_url), Path(sys.executable)

    with serving(["-m", "tests.support.processes.dies_after_commit", "serve"], env, program=python) as mortal:
        with pytest.raises(grpc.RpcError) as lost:
            create_team(mortal.address, request)
        assert lost.value.code() is grpc.StatusCode.UNAVAILABLE
        assert mortal.wait() == -signal.SIGKILL
    assert effects(fresh_database_url) == [1, 1, 1]
    with serving(["serve"], env) as running:
        first, second = (create_team(running.address, request) for _ in range(2))

    assert first == second
    assert first.slug == "web"
    assert effects(fresh_database_url) == [1, 1, 1]
