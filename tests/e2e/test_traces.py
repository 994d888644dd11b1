"""Traces of real server processes."""

from __future__ import annotations

import json
from contextlib import ExitStack

import grpc

from stagely.v1 import team_pb2
from tests.support.call_metadata import headers_of
from tests.support.processes.service import run, settings_for
from tests.support.processes.workers import CONNECTIONS, connect, two_workers
from tests.support.telemetry.collector import attributes_of, collecting
from tests.support.tokens import JWT_SECRET, token

GET_TEAM = "stagely.v1.TeamService/GetTeam"


def test_calls_of_all_workers_are_traced_and_their_log_lines_have_the_trace_ids(fresh_database_url: str) -> None:
    headers = headers_of(token("api", "teams.*"))
    with collecting() as (collector, endpoint):
        settings = {"ENVIRONMENT": "production", "JWT_SECRET": JWT_SECRET, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
        with two_workers(fresh_database_url, OTEL_SERVICE_NAME="control-plane", **settings) as server:
            with ExitStack() as stack:
                wanted = team_pb2.GetTeamRequest(slug="nobody")
                for _ in range(CONNECTIONS):
                    call = connect(server, stack).GetTeam.future(wanted, metadata=headers, timeout=20)
                    assert call.code() is grpc.StatusCode.NOT_FOUND
            assert server.stop() == 0
        lines = [json.loads(line) for line in server.lines if line.startswith("{")]

    calls = collector.named(GET_TEAM)
    logged = {line["trace_id"] for line in lines if line.get("method") == f"/{GET_TEAM}"}
    assert len(calls) == CONNECTIONS
    assert {span.trace_id.hex() for span in calls} == logged
    assert len({attributes_of(each)["process.pid"] for each in collector.resources}) == 2
    assert {attributes_of(each)["service.name"] for each in collector.resources} == {"control-plane"}


def test_invalid_collector_url_is_reported_in_one_line_without_its_password(fresh_database_url: str) -> None:
    settings = settings_for(fresh_database_url, OTEL_EXPORTER_OTLP_ENDPOINT="http://stagely:hunter2@collector:4317")

    ended = run("serve", env=settings)

    assert ended.returncode == 2
    assert ended.stderr.startswith(
        "stagely-rpc: OTEL_EXPORTER_OTLP_ENDPOINT: must be an http or https URL without a password"
    )
