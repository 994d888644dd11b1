"""Several workers on one port, and their callers."""

from __future__ import annotations

import re
import threading
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Self

import grpc
import psutil
import psycopg

from stagely.v1 import team_pb2, team_pb2_grpc
from stagely_rpc.client import connect_sync
from tests.support.processes.service import serving, settings_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stagely.v1.team_pb2_grpc import TeamServiceStub
    from tests.support.processes.service import Running

    UpdateTeam = grpc.Future[team_pb2.UpdateTeamResponse]

CONNECTIONS = 24
"""So many that the chance of all going to the same one of two workers is one in eight million."""


@contextmanager
def two_workers(database_url: str, **overrides: str) -> Iterator[Running]:
    with serving(["serve", "--workers", "2"], settings_for(database_url, **overrides)) as server:
        yield server


def workers_of(server: Running) -> list[psutil.Process]:
    return psutil.Process(server.process.pid).children()


def connect(server: Running, stack: ExitStack) -> TeamServiceStub:
    """Return a client with its own connection."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    return team_pb2_grpc.TeamServiceStub(stack.enter_context(grpc.insecure_channel(server.address, options=options)))


def until(condition: Callable[[], bool], *, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def connections_of(worker: psutil.Process, server: Running) -> int:
    port = int(server.address.rpartition(":")[2])
    found = worker.net_connections("tcp")
    return sum(each.laddr.port == port and each.status == psutil.CONN_ESTABLISHED for each in found)


def metrics_of(server: Running) -> dict[str, float]:
    """Return the values on the metrics port, by name and labels."""
    line = next(line for line in server.lines if "listening" in line)
    found = re.search(r"metrics=(\S+)", line)
    assert found is not None
    with urllib.request.urlopen(f"http://{found[1]}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


@contextmanager
def call_in_progress(database_url: str, server: Running) -> Iterator[tuple[psycopg.Connection, UpdateTeam]]:
    """Start a call that waits for a locked row. Yield the connection that holds the lock, and the call."""
    waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with (
        ExitStack() as stack,
        psycopg.connect(database_url) as holder,
        psycopg.connect(database_url, autocommit=True) as observer,
    ):
        teams = connect(server, stack)
        team = teams.CreateTeam(team_pb2.CreateTeamRequest(slug="held", name="Held"), timeout=10).team
        holder.execute("SELECT FROM teams FOR UPDATE")
        pending = teams.UpdateTeam.future(team_pb2.UpdateTeamRequest(id=team.id, name="New"), timeout=30)
        until(lambda: bool(observer.execute(waiting).fetchall()))
        yield holder, pending


class Callers:
    """Callers that read repeatedly until the block ends. Each has its own connection."""

    def __init__(self, address: str, count: int) -> None:
        self.answered = 0
        self.failures: list[Exception] = []
        self._address = address
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(count)]

    def _call(self) -> None:
        with connect_sync(self._address) as stagely:
            while not self._stop.is_set():
                try:
                    list(stagely.teams.list())
                    self.answered += 1
                except Exception as failure:  # noqa: BLE001 - the test expects no error of any kind
                    self.failures.append(failure)

    def wait_for_more(self, answers: int) -> None:
        goal = self.answered + answers
        until(lambda: self.answered >= goal)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
