from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from stagely_rpc.db.driver.pool_state import PoolState
from stagely_rpc.process.metrics import DIRECTORY_VARIABLE
from stagely_rpc.telemetry.metrics.metrics import Metrics

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Metrics:
    return Metrics(registry)


async def test_calls_are_in_flight_until_they_end_and_then_counted_by_code(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    calls = metrics.calls("/stagely.v1.TeamService/GetTeam")
    began, other = calls.begin(), calls.begin()
    await metrics.sample()
    assert registry.get_sample_value("stagely_rpc_calls_in_flight") == 2

    calls.end(began, "OK")
    calls.end(other, "NOT_FOUND")
    await metrics.sample()

    assert registry.get_sample_value("stagely_rpc_calls_in_flight") == 0
    method = {"method": "stagely.v1.TeamService/GetTeam"}
    for code in ("OK", "NOT_FOUND"):
        assert registry.get_sample_value("stagely_rpc_calls_total", {**method, "code": code}) == 1
    assert registry.get_sample_value("stagely_rpc_call_seconds_count", method) == 2


def test_keys_of_batches_are_counted_by_statement(metrics: Metrics, registry: CollectorRegistry) -> None:
    for keys in (1, 3, 64):
        metrics.database.batch_sent("teams by id", [None] * keys)

    statement = {"statement": "teams by id"}
    assert registry.get_sample_value("stagely_rpc_batch_keys_count", statement) == 3
    assert registry.get_sample_value("stagely_rpc_batch_keys_sum", statement) == 68
    assert registry.get_sample_value("stagely_rpc_batch_keys_bucket", {**statement, "le": "4.0"}) == 2


async def test_pool_metrics_show_connections_by_state_size_and_waiting_calls(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    metrics.database.watch_pool(lambda: PoolState(in_use=3, idle=2, size=25, waiting=7))

    await metrics.sample()

    assert registry.get_sample_value("stagely_rpc_pool_size") == 25
    assert registry.get_sample_value("stagely_rpc_pool_waiting") == 7
    assert registry.get_sample_value("stagely_rpc_pool_connections", {"state": "in_use"}) == 3
    assert registry.get_sample_value("stagely_rpc_pool_connections", {"state": "idle"}) == 2


async def test_dropped_lines_and_spans_are_counted_once(metrics: Metrics, registry: CollectorRegistry) -> None:
    dropped = {"lines": 0, "spans": 0}
    metrics.watch_log_lines(lambda: dropped["lines"])
    metrics.watch_spans(lambda: dropped["spans"])

    for lines, spans in ((5, 0), (5, 1), (7, 3)):
        dropped |= {"lines": lines, "spans": spans}
        await metrics.sample()

    assert registry.get_sample_value("stagely_rpc_log_lines_dropped_total") == 7
    assert registry.get_sample_value("stagely_rpc_spans_dropped_total") == 3


def test_health_metric_shows_one_cause_at_a_time(metrics: Metrics, registry: CollectorRegistry) -> None:
    causes = ("database_silent", "schema_behind")
    publish = metrics.health(causes)
    seen = []

    for cause in (None, *causes, None):
        publish(cause)
        seen.append([registry.get_sample_value("stagely_rpc_health", {"cause": each}) for each in causes])

    assert seen == [[0, 0], [1, 0], [0, 1], [0, 0]]


def test_replacement_worker_continues_the_counters_in_the_file(tmp_path: Path) -> None:
    program = (
        "from stagely_rpc.telemetry.metrics.metrics import Metrics, count_as_worker;"
        "count_as_worker(7);"
        "calls = Metrics().calls('/a.B/C');"
        "calls.end(calls.begin(), 'OK')"
    )
    env = {**os.environ, DIRECTORY_VARIABLE: str(tmp_path)}
    for _ in range(2):
        subprocess.run([sys.executable, "-c", program], env=env, check=True)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(tmp_path))  # type: ignore[no-untyped-call]

    assert registry.get_sample_value("stagely_rpc_calls_total", {"method": "a.B/C", "code": "OK"}) == 2
    assert {path.stem.rpartition("_")[2] for path in tmp_path.iterdir()} == {"7"}
