"""The health that a real process reports during outages of a real PostgreSQL."""

from __future__ import annotations

import queue
import re
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from stagely_rpc.health import LIVENESS
from tests.support import outages
from tests.support.outages import POOL_SIZE
from tests.support.own_postgres import own_postgres
from tests.support.processes.service import serving, settings_for
from tests.support.processes.workers import metrics_of, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.outages import Outage
    from tests.support.own_postgres import OwnPostgres
    from tests.support.processes.service import Running

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE = "stagely.v1.TeamService"
WITHIN_SECONDS = 5
QUIET_SECONDS = 3
"""The time of a few health checks."""

OUTAGES = {
    "database_unreachable": outages.stopped,
    "database_silent": outages.paused,
    "database_read_only": outages.read_only,
    "schema_behind": outages.schema_behind,
    "key_missing": outages.key_missing,
    "pool_exhausted": outages.pool_exhausted,
}


@pytest.fixture(scope="module")
def postgres() -> Iterator[OwnPostgres]:
    with own_postgres() as postgres:
        yield postgres


@pytest.fixture(scope="module", params=[1, 2], ids=["one process", "workers"])
def server(request: pytest.FixtureRequest, postgres: OwnPostgres) -> Iterator[Running]:
    workers = request.param
    env = settings_for(postgres.url, DATABASE_POOL_SIZE=str(workers * POOL_SIZE), METRICS_PORT="0")
    with serving(["serve", "--workers", str(workers)], env) as server:
        until(lambda: logged_changes(server.lines) == ["serving"] * workers)
        yield server


class Watching:
    """A Watch stream of one service name: its next status, and the time until then."""

    def __init__(self, health: health_pb2_grpc.HealthStub, service: str) -> None:
        self._stream = health.Watch(health_pb2.HealthCheckRequest(service=service))
        self._statuses: queue.Queue[object] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            for answer in self._stream:
                self._statuses.put(answer.status)
        except grpc.RpcError:
            return

    def expect(self, expected: object) -> float:
        """Expect a status next, within the documented time. Return the seconds that it took."""
        began = time.monotonic()
        assert self._statuses.get(timeout=WITHIN_SECONDS) == expected
        return time.monotonic() - began

    def is_quiet(self) -> bool:
        return self._statuses.empty()

    def end(self) -> None:
        self._stream.cancel()


@contextmanager
def health_of(server: Running) -> Iterator[health_pb2_grpc.HealthStub]:
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(server.address, options=options) as channel:
        yield health_pb2_grpc.HealthStub(channel)


def reported_statuses(health: health_pb2_grpc.HealthStub) -> set[object]:
    """Return the statuses that Check and List report for all names except liveness, which must be SERVING."""
    listed = {
        name: answer.status for name, answer in health.List(health_pb2.HealthListRequest(), timeout=5).statuses.items()
    }
    checked = {name: health.Check(health_pb2.HealthCheckRequest(service=name), timeout=5).status for name in listed}
    assert listed == checked
    assert listed.pop(LIVENESS) == SERVING
    assert {"", SERVICE} < set(listed)
    return set(listed.values())


def logged_changes(lines: list[str]) -> list[str]:
    """Return the changes of health in the log: "serving", or the cause of "not serving"."""
    found = (re.search(r"\b(not serving|serving)\b.*?(?:cause=(\w+)|$)", line) for line in lines)
    return [each[2] or each[1] for each in found if each]


@pytest.mark.parametrize("cause", OUTAGES)
def test_outage_and_its_end_are_reported_in_time(
    postgres: OwnPostgres, server: Running, cause: str, request: pytest.FixtureRequest
) -> None:
    outage: Outage = OUTAGES[cause]
    gauge = f'stagely_rpc_health{{cause="{cause}"}}'
    with health_of(server) as health:
        watching = Watching(health, SERVICE)
        watching.expect(SERVING)
        line = len(server.lines)

        with outage(postgres, server.address):
            off = watching.expect(NOT_SERVING)
            assert reported_statuses(health) == {NOT_SERVING}
            assert metrics_of(server)[gauge] == 1
            time.sleep(QUIET_SECONDS)
            assert watching.is_quiet()
        on = watching.expect(SERVING)

        assert reported_statuses(health) == {SERVING}
        until(lambda: metrics_of(server)[gauge] == 0)
        watching.end()
    request.node.user_properties += [("off after seconds", f"{off:.2f}"), ("on after seconds", f"{on:.2f}")]
    until(
        lambda: logged_changes(server.lines[line:]).count("serving") == logged_changes(server.lines[line:]).count(cause)
    )
    assert set(logged_changes(server.lines[line:])) == {cause, "serving"}
