"""The spans of batched statements, as a collector receives them."""

from __future__ import annotations

import asyncio

import grpc
import psycopg
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from stagely.v1 import team_pb2, team_pb2_grpc
from stagely_rpc.db.batching import batches
from tests.support.rpc import connected, running_server
from tests.support.telemetry.collector import Collector, attributes_of, collecting
from tests.support.telemetry.traced import GET_TEAM, PARENT_ID, get_team, only


@pytest.fixture
def one_batch(monkeypatch: pytest.MonkeyPatch) -> int:
    """The size of a batch. A batch waits until it has this many reads."""
    monkeypatch.setattr(batches, "MAX_ITEMS", 8)
    monkeypatch.setattr(batches, "QUIET_TURNS", 5000)
    return batches.MAX_ITEMS


def traceparent(number: int, *, sampled: bool = True) -> tuple[str, str]:
    return ("traceparent", f"00-{number:032x}-{PARENT_ID}-0{int(sampled)}")


async def collect_calls(database_url: str, *parents: tuple[str, str]) -> Collector:
    """Make concurrent calls with these parents. Return the collector of their spans."""
    with collecting() as (collector, endpoint):
        async with (
            running_server(database_url, otel_exporter_otlp_endpoint=endpoint) as server,
            connected(server) as channel,
        ):
            await asyncio.gather(*(get_team(channel, parent) for parent in parents))
    return collector


async def test_batched_statement_is_a_child_of_one_call_and_linked_to_the_others(
    database_url: str, one_batch: int
) -> None:
    collector = await collect_calls(database_url, *map(traceparent, range(1, one_batch + 1)))

    calls = {(call.trace_id, call.span_id) for call in collector.named(GET_TEAM)}
    statement = only(collector, "batch")
    linked = [(link.trace_id, link.span_id) for link in statement.links]
    assert len(calls) == one_batch
    assert {(statement.trace_id, statement.parent_span_id), *linked} == calls
    assert len(linked) == one_batch - 1
    assert statement.kind == Span.SPAN_KIND_CLIENT
    assert attributes_of(statement)["db.operation.batch.size"] == one_batch


async def test_each_call_of_a_batch_has_its_own_span_for_the_wait(database_url: str, one_batch: int) -> None:
    collector = await collect_calls(database_url, *map(traceparent, range(1, one_batch + 1)))

    waits = {(span.trace_id, span.parent_span_id) for span in collector.named("team by slug")}
    assert waits == {(call.trace_id, call.span_id) for call in collector.named(GET_TEAM)}
    assert len(collector.spans) == 2 * one_batch + 1


async def test_batched_statement_counts_all_calls_and_links_the_sampled_ones(
    database_url: str, one_batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # This sampler follows the decision of the caller, and samples no trace that starts here.
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
    parents = [traceparent(number, sampled=number in {3, 5}) for number in range(1, one_batch + 1)]

    collector = await collect_calls(database_url, *parents)

    statement = only(collector, "batch")
    assert attributes_of(statement)["db.operation.batch.size"] == one_batch
    assert {statement.trace_id, *(link.trace_id for link in statement.links)} == {
        number.to_bytes(16, "big") for number in (3, 5)
    }


async def test_failed_batch_and_its_single_retries_are_errors(fresh_database_url: str, one_batch: int) -> None:
    with collecting() as (collector, endpoint):
        async with (
            running_server(fresh_database_url, otel_exporter_otlp_endpoint=endpoint) as server,
            connected(server) as channel,
            await psycopg.AsyncConnection.connect(fresh_database_url, autocommit=True) as database,
        ):
            await database.execute("ALTER TABLE teams RENAME TO gone")
            call = team_pb2_grpc.TeamServiceStub(channel).GetTeam
            metadata = [traceparent(number) for number in range(1, one_batch + 1)]
            wanted = team_pb2.GetTeamRequest(slug="nobody")
            failed = await asyncio.gather(*(call(wanted, metadata=[each]) for each in metadata), return_exceptions=True)

    assert {error.code() for error in failed if isinstance(error, grpc.aio.AioRpcError)} == {grpc.StatusCode.INTERNAL}
    batch, *single = collector.named("batch")
    assert len(batch.links) == one_batch - 1
    assert {each.trace_id.hex() for each in single} == {f"{number:032x}" for number in range(1, one_batch + 1)}
    assert not [each for each in single if each.links]
    for each in (batch, *single):
        assert attributes_of(each)["error.type"] == "UndefinedTable"
        assert each.status.code == Status.STATUS_CODE_ERROR
