"""The metrics that Prometheus reads from a server after calls of several kinds."""

from __future__ import annotations

import asyncio
import os
import platform
import time
from typing import TYPE_CHECKING

import grpc
import psutil
import psycopg
import pytest

from stagely.v1 import secret_pb2, secret_pb2_grpc, team_pb2, team_pb2_grpc
from stagely_rpc import __version__
from stagely_rpc.audit.queries import SEALING_LOCK
from stagely_rpc.db.schema.revision import needed_revision
from stagely_rpc.telemetry.metrics.database import KINDS
from tests.support.eventually import eventually
from tests.support.refusals import refused
from tests.support.rpc import connected, running_server
from tests.support.teams import make_team
from tests.support.telemetry.scraping import scrape, scraped_until, work
from tests.support.tokens import AUTHENTICATION, token
from tools.generated import ROOT

if TYPE_CHECKING:
    from stagely_rpc.server.server import Server


async def test_round_trips_are_timed_by_kind(observed: Server) -> None:
    found = await scrape(observed)

    for kind in KINDS:
        assert found.value("stagely_rpc_statement_seconds_count", kind=kind) > 0, kind
        assert 0 < found.value("stagely_rpc_statement_seconds_sum", kind=kind) < 600


async def test_pool_metrics_show_size_and_waits(observed: Server) -> None:
    found = await scraped_until(observed, lambda found: found.value("stagely_rpc_pool_size") == 7)

    assert found.value("stagely_rpc_pool_connections_opened_total") >= 1
    assert found.value("stagely_rpc_pool_wait_seconds_count") >= 5


async def test_metrics_show_the_calls_that_wait_for_a_connection(fresh_database_url: str) -> None:
    limits = {"database_pool_size": 1, "database_pool_wait_seconds": 60}
    async with running_server(fresh_database_url, metrics_port=0, **limits) as server:
        async with connected(server) as channel, await psycopg.AsyncConnection.connect(fresh_database_url) as holder:
            teams = team_pb2_grpc.TeamServiceStub(channel)
            team = await make_team(teams)
            await holder.execute("SELECT FROM teams FOR UPDATE")
            wanted = [team_pb2.UpdateTeamRequest(id=team.id, name=f"Team {number}") for number in range(3)]
            calls = [teams.UpdateTeam(each) for each in wanted]

            await scraped_until(server, lambda found: found.value("stagely_rpc_pool_waiting") >= 2)

            await holder.rollback()
            await asyncio.gather(*calls)
        await scraped_until(server, lambda found: found.value("stagely_rpc_pool_waiting") == 0)


async def test_broken_connections_are_counted(fresh_database_url: str) -> None:
    async with running_server(fresh_database_url, metrics_port=0) as server, connected(server) as channel:
        teams = team_pb2_grpc.TeamServiceStub(channel)
        async with await psycopg.AsyncConnection.connect(fresh_database_url, autocommit=True) as other:
            await other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

        async def is_answered() -> bool:
            try:
                await teams.ListTeams(team_pb2.ListTeamsRequest())
            except grpc.aio.AioRpcError:
                return False
            return True

        await eventually(is_answered, expected=True)

        found = await scrape(server)
    assert found.value("stagely_rpc_pool_connections_lost_total") >= 1
    assert sum(found.value("stagely_rpc_statement_failures_total", kind=kind) for kind in KINDS) >= 1


async def test_uses_of_keys_are_counted_by_key_encryption_key(observed: Server) -> None:
    found = await scrape(observed)
    key = observed._keyring._root
    assert key is not None

    for operation in ("wrap", "seal", "open", "unwrap"):
        labels = {"key_encryption_key": key.id, "operation": operation, "outcome": "ok"}
        assert found.value("stagely_rpc_key_uses_total", **labels) >= 1, operation
    assert found.value("stagely_rpc_data_key_cache_lookups_total", result="miss") >= 1
    assert found.value("stagely_rpc_data_key_cache_lookups_total", result="hit") >= 1


async def test_failed_decryption_is_counted(fresh_database_url: str) -> None:
    async with running_server(fresh_database_url, metrics_port=0) as server:
        async with await psycopg.AsyncConnection.connect(fresh_database_url, autocommit=True) as database:
            await work(server, fresh_database_url)
            await database.execute(
                "UPDATE secrets SET encrypted_value = overlay(encrypted_value placing 'AAAA' from 60)"
            )
            cursor = await database.execute("SELECT id::text FROM secrets")
            [[secret_id]] = await cursor.fetchall()
        async with connected(server) as channel:
            await _access(channel, secret_id)
        found = await scrape(server)

    failed = [each for each in found.labels_of("stagely_rpc_key_uses_total") if each["outcome"] == "failed"]
    assert [each["operation"] for each in failed] == ["open"]


async def _access(channel: grpc.aio.Channel, secret_id: str) -> None:
    with refused(grpc.StatusCode.DATA_LOSS):
        await secret_pb2_grpc.SecretServiceStub(channel).AccessSecret(secret_pb2.AccessSecretRequest(id=secret_id))


async def test_sealed_rows_are_counted_and_the_lag_returns_to_zero(fresh_database_url: str) -> None:
    async with running_server(fresh_database_url, metrics_port=0) as server:
        before = time.time()
        await work(server, fresh_database_url)

        found = await scraped_until(server, lambda found: found.value("stagely_rpc_audit_rows_sealed_total") >= 3)
        found = await scraped_until(server, lambda found: found.value("stagely_rpc_audit_lag_seconds") == 0)

    assert found.value("stagely_rpc_audit_sealer_round_timestamp_seconds") >= before


async def test_unsealed_rows_cause_a_lag(fresh_database_url: str) -> None:
    async with running_server(fresh_database_url, metrics_port=0) as server:
        async with await psycopg.AsyncConnection.connect(fresh_database_url) as sealing:
            await sealing.execute("SELECT pg_advisory_xact_lock(%s)", [SEALING_LOCK])
            await work(server, fresh_database_url)

            await scraped_until(server, lambda found: found.value("stagely_rpc_audit_lag_seconds") > 1)

        await scraped_until(server, lambda found: found.value("stagely_rpc_audit_lag_seconds") == 0)


async def test_denials_are_counted_by_reason(database_url: str) -> None:
    async with running_server(database_url, metrics_port=0, **AUTHENTICATION) as server:
        async with connected(server) as channel:
            with refused(grpc.StatusCode.UNAUTHENTICATED) as nameless:
                await team_pb2_grpc.TeamServiceStub(channel).ListTeams(team_pb2.ListTeamsRequest())
        async with connected(server, token=token("reaper", "environments.*")) as channel:
            with refused(grpc.StatusCode.PERMISSION_DENIED) as powerless:
                await team_pb2_grpc.TeamServiceStub(channel).ListTeams(team_pb2.ListTeamsRequest())
        found = await scrape(server)

    for reason in (nameless.reason, powerless.reason):
        assert found.value("stagely_rpc_denials_total", reason=reason) == 1


async def test_build_info_shows_versions_and_revision(observed: Server) -> None:
    found = await scrape(observed)

    [build] = found.labels_of("stagely_rpc_build_info")
    assert build == {
        "version": __version__,
        "python": platform.python_version(),
        "grpc": grpc.__version__,
        "revision": needed_revision(),
    }


async def test_process_metrics_match_the_operating_system(observed: Server) -> None:
    found, process = await scrape(observed), psutil.Process(os.getpid())

    assert found.value("stagely_rpc_worker_resident_bytes", worker="1") == pytest.approx(
        process.memory_info().rss, rel=0.2
    )
    assert found.value("stagely_rpc_worker_cpu_seconds_total", worker="1") == pytest.approx(
        sum(process.cpu_times()[:2]), rel=0.2, abs=2
    )
    assert found.value("stagely_rpc_worker_open_fds", worker="1") == pytest.approx(process.num_fds(), abs=20)
    assert found.value("stagely_rpc_worker_max_fds", worker="1") == process.rlimit(psutil.RLIMIT_NOFILE)[0]
    assert found.value("stagely_rpc_worker_start_time_seconds", worker="1") == pytest.approx(
        process.create_time(), abs=60
    )


async def test_every_metric_is_documented(observed: Server) -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()

    for family in (await scrape(observed)).families:
        name = family.name + ("_total" if family.type == "counter" else "")
        assert f"`{name}`" in page, name
