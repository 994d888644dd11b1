from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import grpc
import psycopg
import pytest
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from stagely.v1 import team_pb2, team_pb2_grpc
from stagely_rpc.db.schema import migrations
from stagely_rpc.health import LIVENESS, Cause, HealthServicer, Prober, UnhealthyError, check_revision, pool_probe
from stagely_rpc.health.pool import STALL_SECONDS
from stagely_rpc.health.prober import RECHECK_SECONDS
from tests.support.eventually import eventually, logged
from tests.support.rpc import connected, running_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stagely_rpc.server.server import Server

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
TEAM_SERVICE = team_pb2.DESCRIPTOR.services_by_name["TeamService"].full_name
QUICK = {"health_interval_seconds": 0.05, "health_timeout_seconds": 1}


@asynccontextmanager
async def health_of(server: Server) -> AsyncIterator[health_pb2_grpc.HealthStub]:
    async with connected(server) as channel:
        yield health_pb2_grpc.HealthStub(channel)


async def status_of(health: health_pb2_grpc.HealthStub, service: str = "") -> object:
    return (await health.Check(health_pb2.HealthCheckRequest(service=service))).status


LOST, BEHIND = Cause.DATABASE_UNREACHABLE, Cause.SCHEMA_BEHIND


class ScriptedProbe:
    """A probe with scripted results: a cause for each failed check, None for each passed one."""

    def __init__(self, *results: Cause | None) -> None:
        self._results = deque(results)

    async def __call__(self) -> None:
        if cause := self._results.popleft():
            raise UnhealthyError(cause, f"because of {cause}")


async def test_health_changes_when_a_second_check_confirms_the_first() -> None:
    servicer = HealthServicer([TEAM_SERVICE])
    results = (None, LOST, None, LOST, BEHIND, None, LOST, None, None, None)
    prober = Prober(ScriptedProbe(*results), servicer, interval_seconds=1, timeout_seconds=1)
    seen = []

    for _ in results:
        await prober.check()
        seen.append(servicer._server_status[TEAM_SERVICE] == SERVING)

    assert seen == [True, True, True, True, False, False, False, False, True, True]


async def test_another_cause_is_reported_only_when_a_second_check_confirms_it() -> None:
    reported: list[Cause | None] = []
    results = (LOST, BEHIND, LOST, BEHIND, BEHIND)
    prober = Prober(
        ScriptedProbe(*results), HealthServicer([]), interval_seconds=1, timeout_seconds=1, on_change=reported.append
    )

    for _ in results:
        await prober.check()

    assert reported == [LOST, BEHIND]


async def test_first_check_decides_alone() -> None:
    for cause, status in ((None, SERVING), (LOST, NOT_SERVING)):
        servicer = HealthServicer([])
        await Prober(ScriptedProbe(cause), servicer, interval_seconds=1, timeout_seconds=1).check()
        assert servicer._server_status[""] == status


async def test_each_change_of_the_cause_is_reported_and_logged_once() -> None:
    results = (None, LOST, LOST, LOST, BEHIND, BEHIND, None, None)
    reported: list[Cause | None] = []
    prober = Prober(
        ScriptedProbe(*results), HealthServicer([]), interval_seconds=1, timeout_seconds=1, on_change=reported.append
    )

    with structlog.testing.capture_logs() as logs:
        for _ in results:
            await prober.check()

    assert [(log["event"], log.get("reason")) for log in logs] == [
        ("serving", None),
        ("not serving", f"because of {LOST}"),
        ("not serving", f"because of {BEHIND}"),
        ("serving", None),
    ]
    assert reported == [None, LOST, BEHIND, None]


async def test_check_that_contradicts_the_health_is_repeated_soon() -> None:
    servicer = HealthServicer([])
    prober = Prober(ScriptedProbe(LOST, None, None), servicer, interval_seconds=1, timeout_seconds=1)
    await prober.check()
    assert prober._pause_seconds() == 1
    await prober.check()
    assert prober._pause_seconds() == RECHECK_SECONDS


async def test_pool_is_unhealthy_only_after_no_connection_was_returned_for_a_while() -> None:
    await pool_probe(lambda: STALL_SECONDS - 0.1)()

    with pytest.raises(UnhealthyError) as unhealthy:
        await pool_probe(lambda: STALL_SECONDS)()

    assert unhealthy.value.cause is Cause.POOL_EXHAUSTED


async def test_hanging_probe_and_crashing_probe_are_failures() -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    async def crash() -> None:
        raise ZeroDivisionError

    for probe, reason in ((hang, "the database did not answer within 0.01 s"), (crash, "ZeroDivisionError")):
        servicer = HealthServicer([])
        prober = Prober(probe, servicer, interval_seconds=1, timeout_seconds=0.01)
        with structlog.testing.capture_logs() as logs:
            await prober.check()
        assert servicer._server_status[""] == NOT_SERVING
        assert reason in logs[0]["reason"]


def test_older_schema_is_refused_with_both_revisions() -> None:
    with pytest.raises(UnhealthyError, match="is at revision 014, this version needs revision 025"):
        check_revision("014", "025")
    with pytest.raises(UnhealthyError, match="schema is missing, this version needs revision 025"):
        check_revision(None, "025")


def test_current_and_newer_schema_are_accepted() -> None:
    check_revision("026", "025")
    check_revision("025", "025")


async def test_check_and_list_agree_on_every_name(server: Server) -> None:
    async with health_of(server) as health:
        listed = (await health.List(health_pb2.HealthListRequest())).statuses
        checked = {name: await status_of(health, name) for name in listed}

    assert {name: answer.status for name, answer in listed.items()} == checked
    assert set(checked.values()) == {SERVING}
    assert {"", LIVENESS, TEAM_SERVICE} < set(checked)
    assert sum(name.startswith("stagely.v1.") for name in checked) == len(checked) - 2


async def test_unknown_name_is_not_found_and_logs_no_error(server: Server) -> None:
    async with health_of(server) as health:
        with structlog.testing.capture_logs() as logs:
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await status_of(health, "nothing")
            await logged(logs, 1, event="call", log_level="debug")

    assert error.value.code() is grpc.StatusCode.NOT_FOUND
    assert len(logs) == 1


async def test_watch_of_an_unknown_name_reports_service_unknown_and_stays_open(server: Server) -> None:
    async with health_of(server) as health:
        watching = health.Watch(health_pb2.HealthCheckRequest(service="nothing"))

        assert (await watching.read()).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        watching.cancel()


def forbid_connections(url: str, *, allow: bool) -> None:
    """Make a database unreachable, or reachable again, through a connection to another database."""
    name = conninfo_to_dict(url)["dbname"]
    with psycopg.connect(make_conninfo(url, dbname="postgres"), autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {str(allow).lower()}".encode())
        if not allow:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))


async def test_unreachable_database_and_its_return_are_reported_by_check_list_and_watch(
    fresh_database_url: str,
) -> None:
    async with running_server(fresh_database_url, **QUICK) as server, health_of(server) as health:
        watching = health.Watch(health_pb2.HealthCheckRequest(service=TEAM_SERVICE))
        assert (await watching.read()).status == SERVING

        forbid_connections(fresh_database_url, allow=False)
        assert (await asyncio.wait_for(watching.read(), 5)).status == NOT_SERVING
        for name in ("", TEAM_SERVICE):
            assert await status_of(health, name) == NOT_SERVING
        assert await status_of(health, LIVENESS) == SERVING
        listed = (await health.List(health_pb2.HealthListRequest())).statuses
        assert {name for name, answer in listed.items() if answer.status == SERVING} == {LIVENESS}

        forbid_connections(fresh_database_url, allow=True)
        assert (await asyncio.wait_for(watching.read(), 5)).status == SERVING
        watching.cancel()


async def test_calls_are_unavailable_without_a_database_and_work_after_its_return(fresh_database_url: str) -> None:
    async with running_server(fresh_database_url, **QUICK) as server, connected(server) as channel:
        teams = team_pb2_grpc.TeamServiceStub(channel)
        created = await teams.CreateTeam(team_pb2.CreateTeamRequest(slug="web", name="Web"))
        request = team_pb2.GetTeamRequest(slug="web")

        async def code() -> grpc.StatusCode:
            try:
                await teams.GetTeam(request)
            except grpc.aio.AioRpcError as error:
                return error.code()
            return grpc.StatusCode.OK

        forbid_connections(fresh_database_url, allow=False)
        assert await code() is grpc.StatusCode.UNAVAILABLE
        forbid_connections(fresh_database_url, allow=True)
        await eventually(code, grpc.StatusCode.OK)

        assert (await teams.GetTeam(request)).team == created.team


async def test_health_is_not_serving_until_an_older_schema_is_migrated(fresh_database_url: str) -> None:
    async with running_server(fresh_database_url, **QUICK) as server, health_of(server) as health:
        with structlog.testing.capture_logs() as logs:
            await asyncio.to_thread(migrations.downgrade, fresh_database_url)
            await eventually(lambda: status_of(health), NOT_SERVING)
            await asyncio.to_thread(migrations.upgrade, fresh_database_url)
            await eventually(lambda: status_of(health), SERVING)

    head = migrations.head_revision()
    reasons = [log["reason"] for log in logs if log["event"] == "not serving"]
    assert len(reasons) == 1
    assert f"at revision {int(head) - 1:03d}, this version needs revision {head}" in reasons[0]


def make_read_only(url: str, *, only_reads: bool) -> None:
    """Make new sessions read-only or not. If read-only, also end the service's sessions, so that it opens new ones."""
    name = sql.Identifier(str(conninfo_to_dict(url)["dbname"]))
    change = "SET default_transaction_read_only = on" if only_reads else "RESET default_transaction_read_only"
    with psycopg.connect(make_conninfo(url, dbname="postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER DATABASE {} {}").format(name, sql.SQL(change)))
        if only_reads:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = %s AND application_name = 'stagely-rpc'",
                [conninfo_to_dict(url)["dbname"]],
            )


async def test_read_only_sessions_are_replaced_when_the_database_accepts_writes_again(
    fresh_database_url: str,
) -> None:
    async with (
        running_server(fresh_database_url, database_pool_size=1, **QUICK) as server,
        connected(server) as channel,
        health_of(server) as health,
    ):
        teams = team_pb2_grpc.TeamServiceStub(channel)
        make_read_only(fresh_database_url, only_reads=True)
        await eventually(lambda: status_of(health), NOT_SERVING)
        for _ in range(2):
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await teams.CreateTeam(team_pb2.CreateTeamRequest(slug="web", name="Web"))
            assert error.value.code() is grpc.StatusCode.UNAVAILABLE

        make_read_only(fresh_database_url, only_reads=False)
        await eventually(lambda: status_of(health), SERVING)

        await teams.CreateTeam(team_pb2.CreateTeamRequest(slug="web", name="Web"))


async def test_fully_used_pool_is_healthy(fresh_database_url: str) -> None:
    async with (
        running_server(fresh_database_url, database_pool_size=1, **QUICK) as server,
        server._db.system_transaction(),
        health_of(server) as health,
    ):
        for _ in range(10):
            await asyncio.sleep(0.05)
            assert await status_of(health) == SERVING


async def test_liveness_is_serving_while_the_server_drains() -> None:
    servicer = HealthServicer([TEAM_SERVICE])
    await servicer.set_ready(ready=True)

    await servicer.enter_graceful_shutdown()
    await servicer.set_ready(ready=True)

    assert servicer._server_status == {"": NOT_SERVING, TEAM_SERVICE: NOT_SERVING, LIVENESS: SERVING}


async def test_watchers_receive_not_serving_at_the_stop_and_do_not_delay_it(fresh_database_url: str) -> None:
    async with running_server(fresh_database_url, shutdown_grace_seconds=60) as server, health_of(server) as health:
        watching = [health.Watch(health_pb2.HealthCheckRequest()) for _ in range(20)]
        for watch in watching:
            assert (await watch.read()).status == SERVING

        await asyncio.wait_for(server.stop(), 5)

        for watch in watching:
            assert (await watch.read()).status == NOT_SERVING
            assert await watch.read() is grpc.aio.EOF


async def test_watch_reports_a_stop_that_comes_while_it_sends_a_status() -> None:
    health = HealthServicer([])
    await health.set_ready(ready=True)
    watching = health.Watch(health_pb2.HealthCheckRequest(), None)  # type: ignore[arg-type]
    assert (await anext(watching)).status == health_pb2.HealthCheckResponse.SERVING
    await health.enter_graceful_shutdown()

    assert [response.status async for response in watching] == [health_pb2.HealthCheckResponse.NOT_SERVING]
