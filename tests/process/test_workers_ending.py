"""Workers that die, and workers that are stopped."""

from __future__ import annotations

import re
import signal
import time
from typing import TYPE_CHECKING

import psutil

from tests.support.processes.service import run, settings_for
from tests.support.processes.workers import Callers, call_in_progress, two_workers, until, workers_of

if TYPE_CHECKING:
    from pathlib import Path


def test_killed_worker_is_replaced_without_failed_calls(fresh_database_url: str) -> None:
    with two_workers(fresh_database_url) as server:
        before = workers_of(server)
        with Callers(server.address, 8) as callers:
            callers.wait_for_more(50)
            before[0].kill()
            server.wait_for("(worker ended).*SIGKILL")
            server.wait_for("(worker replaced)")
            callers.wait_for_more(50)

        after = workers_of(server)

    assert callers.failures == []
    assert len(after) == 2
    assert before[1] in after
    assert before[0] not in after


def test_service_ends_when_the_last_call_of_its_workers_has_ended(fresh_database_url: str) -> None:
    with two_workers(fresh_database_url) as server:
        workers = workers_of(server)
        with call_in_progress(fresh_database_url, server) as (holder, pending):
            server.process.send_signal(signal.SIGTERM)
            until(lambda: len(workers_of(server)) == 1)
            time.sleep(0.3)
            assert len(workers_of(server)) == 1
            holder.rollback()

            assert pending.result().team.name == "New"
            assert server.wait() == 0
        assert psutil.wait_procs(workers, timeout=0)[1] == []


def test_second_signal_ends_all_workers_at_once(fresh_database_url: str) -> None:
    with two_workers(fresh_database_url, SHUTDOWN_GRACE_SECONDS="60") as server:
        workers = workers_of(server)
        with call_in_progress(fresh_database_url, server) as (_, pending):
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            began = time.monotonic()

            assert server.stop() == 1

            assert time.monotonic() - began < 10
            assert pending.exception() is not None
        assert psutil.wait_procs(workers, timeout=0)[1] == []


def test_signal_to_every_process_as_by_ctrl_c_lets_calls_end(fresh_database_url: str) -> None:
    with (
        two_workers(fresh_database_url) as server,
        call_in_progress(fresh_database_url, server) as (holder, pending),
    ):
        for process in (*workers_of(server), psutil.Process(server.process.pid)):
            process.send_signal(signal.SIGINT)
            time.sleep(0.2)
        holder.rollback()

        assert pending.result().team.name == "New"
        assert server.wait() == 0


def test_workers_end_when_their_supervisor_is_killed(fresh_database_url: str) -> None:
    with two_workers(fresh_database_url) as server:
        workers = workers_of(server)

        server.process.kill()

        assert psutil.wait_procs(workers, timeout=20)[1] == []


def test_delay_grows_for_a_worker_that_dies_repeatedly(fresh_database_url: str) -> None:
    with two_workers(fresh_database_url) as server:
        surviving, killed = workers_of(server)
        delays = []
        for _ in range(3):
            killed.kill()
            delays.append(float(server.wait_for(r"restart_in_seconds=([\d.]+)")))
            until(lambda: len(workers_of(server)) == 2)
            (killed,) = [worker for worker in workers_of(server) if worker != surviving]

    assert delays == [0.5, 1.0, 2.0]


def test_error_that_keeps_all_workers_from_starting_is_printed_once(empty_database_url: str) -> None:
    ended = run("serve", "--workers", "3", env=settings_for(empty_database_url))

    assert ended.returncode == 2
    assert re.fullmatch(r"stagely-rpc: .*needs revision \d+: run `stagely-rpc migrate up`\n", ended.stderr)


def test_worker_that_ends_silently_before_any_worker_serves_stops_the_service(
    fresh_database_url: str, tmp_path: Path
) -> None:
    paths = {"TMPDIR": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    env = settings_for(fresh_database_url, METRICS_PORT="0", DATABASE_POOL_SIZE="8", **paths)
    (tmp_path / "uvloop.py").write_text("raise SystemExit(7)")

    ended = run("serve", "--workers", "8", env=env)

    assert (ended.returncode, ended.stderr) == (2, "stagely-rpc: a worker ended before it served: exit code 7\n")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("stagely")] == []
