"""Several workers share one port and the limits."""

from __future__ import annotations

import re
import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import psycopg
import pytest

from stagely.v1 import team_pb2
from tests.support.identity.certificates import Files
from tests.support.processes.service import environment, run, serving, settings_for
from tests.support.processes.tls import settings_with_tls
from tests.support.processes.workers import CONNECTIONS, connect, connections_of, two_workers, until, workers_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.processes.service import Running


def test_every_worker_serves_on_the_shared_port(pair: Running) -> None:
    with ExitStack() as stack:
        clients = [connect(pair, stack) for _ in range(CONNECTIONS)]
        for client in clients:
            client.ListTeams(team_pb2.ListTeamsRequest(), timeout=10)

        shares = [connections_of(worker, pair) for worker in workers_of(pair)]

    assert len(shares) == 2
    assert sum(shares) == CONNECTIONS
    assert min(shares) > 0


def test_service_logs_its_address_once(pair: Running) -> None:
    listening = [line for line in pair.lines if "listening" in line]

    assert len(listening) == 1
    assert "workers=2" in listening[0]
    until(lambda: sum("authentication is off" in line for line in pair.lines) == 1)


@pytest.mark.parametrize("command", [["serve"], ["serve", "--workers", "2"]])
def test_port_of_workers_is_refused_to_another_service(database_url: str, pair: Running, command: list[str]) -> None:
    ended = run(*command, env=settings_for(database_url, PORT=pair.address.split(":")[1]))

    refusal = f"stagely-rpc: can't listen on {pair.address}: is the port taken?\n"
    assert (ended.returncode, ended.stderr) == (2, refusal)


def test_port_of_another_service_is_refused(fresh_database_url: str) -> None:
    with serving(["serve"], settings_for(fresh_database_url)) as other:
        ended = run("serve", "--workers", "2", env=settings_for(fresh_database_url, PORT=other.address.split(":")[1]))

    refusal = f"stagely-rpc: can't listen on {other.address}: is the port taken?\n"
    assert (ended.returncode, ended.stderr) == (2, refusal)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - the default
def test_workers_share_a_fixed_port(fresh_database_url: str, host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    with serving(["serve", "--workers", "2"], settings_for(fresh_database_url, HOST=host, PORT=str(port))) as server:
        assert run("probe", "--target", f"127.0.0.1:{port}").stdout == "SERVING\n"
        assert server.stop() == 0


def test_option_overrides_the_setting_of_the_number_of_workers(fresh_database_url: str) -> None:
    env = settings_for(fresh_database_url, WORKERS="3")
    with serving(["serve"], env) as server:
        assert len(workers_of(server)) == 3
    with serving(["serve", "--workers", "1"], env) as server:
        assert workers_of(server) == []


def test_more_workers_than_connections_are_refused(fresh_database_url: str) -> None:
    ended = run("serve", "--workers", "6", env=settings_for(fresh_database_url, DATABASE_POOL_SIZE="5"))

    assert ended.returncode == 2
    assert ended.stderr == ("stagely-rpc: WORKERS: must not be more than DATABASE_POOL_SIZE, which the workers share\n")


def test_connections_of_all_workers_stay_within_the_pool_size(fresh_database_url: str) -> None:
    of_the_pools = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'stagely-rpc' AND datname = %s"
    name = psycopg.conninfo.conninfo_to_dict(fresh_database_url)["dbname"]
    with (
        two_workers(fresh_database_url, DATABASE_POOL_SIZE="5", DATABASE_POOL_IDLE="1") as server,
        ExitStack() as stack,
    ):
        clients = [connect(server, stack) for _ in range(CONNECTIONS)]
        with (
            psycopg.connect(fresh_database_url, autocommit=True) as observer,
            psycopg.connect(fresh_database_url) as holder,
        ):
            holder.execute("LOCK TABLE teams")
            calls = [client.ListTeams.future(team_pb2.ListTeamsRequest(), timeout=30) for client in clients]
            seen = set()
            for _ in range(100):
                seen |= {count for (count,) in observer.execute(of_the_pools, [name])}
                time.sleep(0.02)
            holder.rollback()
        for call in calls:
            call.exception()

    assert max(seen) == 5


def test_workers_share_the_health_port_too(fresh_database_url: str, tmp_path: Path) -> None:
    files = Files(tmp_path / "tls.crt", tmp_path / "tls.key", tmp_path / "ca.crt")
    with serving(["serve", "--workers", "2"], settings_with_tls(fresh_database_url, files)) as server:
        (listening,) = [line for line in server.lines if "listening" in line]
        found = re.search(r"health=127\.0\.0\.1:(\d+)", listening)
        assert found is not None
        assert "tls=server" in listening

        assert run("probe", env=environment(PORT="1", HEALTH_PORT=found[1])).stdout == "SERVING\n"
        assert server.stop() == 0
