"""The traces that a collector receives from a server."""

from __future__ import annotations

import asyncio
import logging
import socket
import uuid
from functools import partial
from typing import TYPE_CHECKING

import grpc
import psycopg
import pytest
import structlog
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from stagely.v1 import secret_pb2, secret_pb2_grpc
from stagely_rpc.telemetry.traces.exporter import STOP_SECONDS, Tracing
from tests.support.eventually import eventually, logged
from tests.support.refusals import refused
from tests.support.rpc import connected, running_server
from tests.support.secrets import VALUE
from tests.support.telemetry.collector import Collector, attributes_of, collecting
from tests.support.telemetry.scraping import Scrape, scraped_until, work
from tests.support.telemetry.traced import GET_TEAM, PARENT_ID, get_team, only

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = ("traceparent", f"00-{TRACE_ID}-{PARENT_ID}-01")
UNSAMPLED = ("traceparent", f"00-{TRACE_ID}-{PARENT_ID}-00")


@pytest.fixture(scope="module")
async def collector(database_url: str) -> AsyncIterator[Collector]:
    """A collector with the spans of a server after calls of several kinds."""
    with collecting() as (collector, endpoint):
        async with running_server(database_url, otel_exporter_otlp_endpoint=endpoint) as server:
            await work(server, database_url)
        yield collector


def test_call_is_a_server_span_with_its_method_and_code(collector: Collector) -> None:
    span = only(collector, GET_TEAM)

    assert span.kind == Span.SPAN_KIND_SERVER
    assert not span.parent_span_id
    given = attributes_of(span)
    uuid.UUID(str(given.pop("stagely.request_id")))
    assert given == {
        "rpc.system": "grpc",
        "rpc.service": "stagely.v1.TeamService",
        "rpc.method": "GetTeam",
        "rpc.grpc.status_code": grpc.StatusCode.NOT_FOUND.value[0],
    }
    # NOT_FOUND is not an error of the server.
    assert span.status.code == Status.STATUS_CODE_UNSET


def test_statements_are_child_spans_of_their_call_with_placeholders_for_values(collector: Collector) -> None:
    call = only(collector, "stagely.v1.SecretService/SetSecret")
    below = [span for span in collector.below(call) if span.kind == Span.SPAN_KIND_CLIENT]

    assert [span.name for span in below][-1] == "commit"
    assert {attributes_of(span)["db.system.name"] for span in below} == {"postgresql"}
    commit = attributes_of(below[-1])
    assert str(commit["db.query.summary"]).startswith("INSERT secrets; ")
    assert str(commit["db.query.summary"]).endswith("; COMMIT")
    assert "$1" in str(commit["db.query.text"])
    assert int(commit["db.operation.batch.size"]) >= 3
    for span in below:
        assert call.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.end_time_unix_nano <= call.end_time_unix_nano
        assert span.trace_id == call.trace_id


def test_batched_read_has_child_spans_for_the_wait_and_the_statement(collector: Collector) -> None:
    call = only(collector, GET_TEAM)
    statement, wait = sorted(collector.below(call), key=lambda span: span.name)

    assert (statement.name, wait.name) == ("batch", "team by slug")
    assert attributes_of(wait) == {"db.system.name": "postgresql", "db.query.summary": "team by slug"}
    described = attributes_of(statement)
    assert "WITH ORDINALITY" in str(described.pop("db.query.text"))
    assert described == attributes_of(wait)
    assert wait.start_time_unix_nano <= statement.start_time_unix_nano <= statement.end_time_unix_nano
    assert statement.end_time_unix_nano <= wait.end_time_unix_nano


def test_audit_entry_of_a_read_is_a_child_span_of_the_call(collector: Collector) -> None:
    below = collector.below(only(collector, "stagely.v1.SecretService/AccessSecret"))

    statements = [attributes_of(span) for span in below if span.name == "batch"]
    [recording] = [each for each in statements if each["db.query.summary"] == "audit rows"]
    assert "INSERT INTO audit_logs" in str(recording["db.query.text"])


def test_uses_of_keys_are_child_spans_of_the_call_with_the_key_ids(collector: Collector) -> None:
    sealed = collector.below(only(collector, "stagely.v1.SecretService/SetSecret"))
    opened = collector.below(only(collector, "stagely.v1.SecretService/AccessSecret"))

    assert {"wrap", "seal"} <= {span.name for span in sealed}
    [span] = [span for span in opened if span.name == "open"]
    given = attributes_of(span)
    assert given.keys() == {
        "stagely.crypto.algorithm",
        "stagely.crypto.key_encryption_key_id",
        "stagely.crypto.data_key_id",
    }
    assert given["stagely.crypto.algorithm"] == "AES-256-GCM"


def test_no_value_of_a_request_or_a_row_is_exported(collector: Collector) -> None:
    # The collector itself searches for secrets. These values are not secret, but must not be exported either.
    for value in (VALUE, b"TOKEN", b"https://github.com/pallets/flask", b"nobody"):
        assert value not in collector.received


def test_health_checks_and_background_jobs_are_not_traced(collector: Collector) -> None:
    assert {span.name for span in collector.spans if not span.parent_span_id} == {
        GET_TEAM,
        "stagely.v1.TeamService/CreateTeam",
        "stagely.v1.TeamService/ListTeams",
        "stagely.v1.SecretService/SetSecret",
        "stagely.v1.SecretService/AccessSecret",
    }


def test_resource_names_the_service(collector: Collector) -> None:
    given = attributes_of(collector.resources[0])

    assert given["service.name"] == "stagely-rpc"
    assert given["service.version"]


async def test_call_continues_the_trace_of_its_caller_and_the_access_log_has_the_trace_id(database_url: str) -> None:
    with collecting() as (collector, endpoint), structlog.testing.capture_logs() as logs:
        async with running_server(database_url, otel_exporter_otlp_endpoint=endpoint) as server:
            async with connected(server) as channel:
                await get_team(channel, SAMPLED, ("tracestate", "vendor=opaque"))
            await logged(logs, 1, event="call", method=f"/{GET_TEAM}", trace_id=TRACE_ID)

    span = only(collector, GET_TEAM)
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE_ID, PARENT_ID)
    assert span.trace_state == "vendor=opaque"
    assert {each.trace_id.hex() for each in collector.spans} == {TRACE_ID}


async def test_call_that_its_caller_does_not_sample_has_no_span_and_no_trace_id(database_url: str) -> None:
    with collecting() as (collector, endpoint), structlog.testing.capture_logs() as logs:
        async with running_server(database_url, otel_exporter_otlp_endpoint=endpoint) as server:
            async with connected(server) as channel:
                await get_team(channel, UNSAMPLED)
            [line] = await logged(logs, 1, event="call", method=f"/{GET_TEAM}")

    assert collector.spans == []
    assert "trace_id" not in line


@pytest.mark.parametrize("malformed", ["", "00-zz-zz-01", f"00-{'0' * 32}-{PARENT_ID}-01", "x" * 4000])
async def test_malformed_traceparent_starts_a_new_trace(database_url: str, malformed: str) -> None:
    with collecting() as (collector, endpoint):
        async with (
            running_server(database_url, otel_exporter_otlp_endpoint=endpoint) as server,
            connected(server) as channel,
        ):
            await get_team(channel, ("traceparent", malformed))

    assert not only(collector, GET_TEAM).parent_span_id


async def test_server_error_marks_the_spans_of_the_call_and_of_the_failed_step(fresh_database_url: str) -> None:
    with collecting() as (collector, endpoint):
        async with running_server(fresh_database_url, otel_exporter_otlp_endpoint=endpoint) as server:
            await work(server, fresh_database_url)
            async with await psycopg.AsyncConnection.connect(fresh_database_url, autocommit=True) as database:
                corrupt = "UPDATE secrets SET encrypted_value = overlay(encrypted_value placing 'AAAA' from 60)"
                cursor = await database.execute(f"{corrupt} RETURNING id::text")
                [[secret_id]] = await cursor.fetchall()
            async with connected(server) as channel:
                secrets = secret_pb2_grpc.SecretServiceStub(channel)
                with refused(grpc.StatusCode.DATA_LOSS):
                    await secrets.AccessSecret(secret_pb2.AccessSecretRequest(id=secret_id))

    *_, call = collector.named("stagely.v1.SecretService/AccessSecret")
    [opened] = [span for span in collector.below(call) if span.name == "open"]
    assert {call.status.code, opened.status.code} == {Status.STATUS_CODE_ERROR}
    assert attributes_of(opened)["error.type"] == "DataLossError"
    assert not call.status.message
    assert not opened.events


async def test_unreachable_collector_is_logged_once_and_does_not_affect_calls(
    database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as logs:
        async with running_server(
            database_url, metrics_port=0, otel_exporter_otlp_endpoint=f"http://127.0.0.1:{_closed_port()}"
        ) as server:
            for spans in (3, 6, 9):
                async with connected(server) as channel:
                    await get_team(channel)
                found = await scraped_until(server, partial(_has_dropped, spans))
    assert len([line for line in logs if "trace export" in line["event"]]) == 1
    assert found.value("stagely_rpc_spans_dropped_total") == 9
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]


async def test_export_recovers_when_the_collector_returns(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    port = _closed_port()
    with structlog.testing.capture_logs() as logs:
        async with (
            running_server(database_url, otel_exporter_otlp_endpoint=f"http://127.0.0.1:{port}") as server,
            connected(server) as channel,
        ):
            await get_team(channel)
            await logged(logs, 1, event="trace export failed: spans are dropped")
            with collecting(port) as (collector, _):

                async def is_traced() -> bool:
                    await get_team(channel)
                    return bool(collector.spans)

                await eventually(is_traced, expected=True, seconds=20)
                await logged(logs, 1, event="trace export recovered")


async def test_server_stops_in_time_even_if_the_collector_hangs(database_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with running_server(database_url, otel_exporter_otlp_endpoint=endpoint) as server:
            async with connected(server) as channel:
                await get_team(channel)
            stopping = asyncio.get_running_loop().time()
        took = asyncio.get_running_loop().time() - stopping

    assert STOP_SECONDS <= took < STOP_SECONDS + 6


async def test_span_queue_is_bounded_and_dropped_spans_are_counted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        tracing = Tracing(f"http://127.0.0.1:{silent.getsockname()[1]}")
        for _ in range(6000):
            tracing.tracer.start_span("call").end()

        # A batch of 512 spans is being sent, and 4096 are queued.
        assert 6000 - 4096 - 512 <= tracing.dropped() <= 6000 - 4096

        await tracing.stop()


def _has_dropped(spans: int, found: Scrape) -> bool:
    return found.value("stagely_rpc_spans_dropped_total") >= spans


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
