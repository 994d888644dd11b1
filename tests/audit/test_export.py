from __future__ import annotations

import json
import subprocess
import uuid
from typing import TYPE_CHECKING, Any

import psutil
import psycopg
import pytest

from tests.support.audit import make_chain, make_entry, opened, write
from tests.support.processes.service import STAGELY_RPC, environment, run

if TYPE_CHECKING:
    from collections.abc import Callable

COLUMNS = {
    "id",
    "timestamp",
    "actor_id",
    "actor_email",
    "actor_service",
    "actor_ip",
    "action",
    "resource_type",
    "resource_id",
    "team_id",
    "project_id",
    "metadata",
    "request_id",
    "place",
}
TEAM, OTHER = str(uuid.uuid4()), str(uuid.uuid4())
MANY_ROWS = 100_000


def exported(url: str, *options: str) -> list[dict[str, Any]]:
    done = run("audit", "export", *options, env=environment(DATABASE_URL=url))
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


async def test_lines_have_all_columns_oldest_first(fresh_database_url: str) -> None:
    await make_chain(fresh_database_url, TEAM, 3)
    async with opened(fresh_database_url) as db:
        await write(db, make_entry(action="test.last"))

    rows = exported(fresh_database_url)

    assert [row["action"] for row in rows] == ["test.0", "test.1", "test.2", "test.last"]
    assert all(row.keys() == COLUMNS for row in rows)
    assert [row["place"] and row["place"]["position"] for row in rows] == [1, 2, 3, None]
    assert rows[0]["metadata"] == {"key": "TOKEN", "version": 3}


async def test_rows_are_selected_by_team_and_time(fresh_database_url: str) -> None:
    await make_chain(fresh_database_url, TEAM, 3)
    await make_chain(fresh_database_url, OTHER, 1)
    first, second, third = exported(fresh_database_url, "--team", TEAM)

    between = exported(
        fresh_database_url, "--team", TEAM, "--since", second["timestamp"], "--until", third["timestamp"]
    )

    assert between == [second]
    assert exported(fresh_database_url, "--since", third["timestamp"], "--team", TEAM) == [third]
    assert exported(fresh_database_url, "--until", second["timestamp"]) == [first]


@pytest.mark.parametrize("option", [("--team", "acme"), ("--since", "yesterday"), ("--until", "2026-13-01")])
def test_malformed_option_is_refused(option: tuple[str, str]) -> None:
    done = run("audit", "export", *option, env=environment(DATABASE_URL="postgresql://127.0.0.1:1/x"))

    assert done.returncode == 2
    assert option[0] in done.stderr
    assert "Traceback" not in done.stderr


def test_unreachable_database_is_reported_in_one_line_without_the_password() -> None:
    done = run("audit", "export", env=environment(DATABASE_URL="postgresql://ada:hunter2@127.0.0.1:1/x"))

    assert done.returncode == 2
    assert done.stderr.startswith("stagely-rpc: can't read the audit log: ")
    assert len(done.stderr.splitlines()) == 1
    assert "hunter2" not in done.stderr


@pytest.fixture
def long_audit_log(clone_database: Callable[[], str]) -> str:
    """A database with many rows."""
    url = clone_database()
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO audit_logs (action, resource_type, metadata, team_id)"
            " SELECT 'test', 'team', jsonb_build_object('text', repeat('x', 200)),"
            " CASE WHEN n %% 50 = 0 THEN %s::uuid END FROM generate_series(1, %s) n",
            [TEAM, MANY_ROWS],
        )
    return url


def test_export_ends_without_a_traceback_if_its_reader_closes_the_pipe(long_audit_log: str) -> None:
    with exporting(long_audit_log) as process:
        assert process.stdout
        assert process.stderr
        json.loads(process.stdout.readline())
        process.stdout.close()

        assert process.wait(timeout=30) != 0
        assert process.stderr.read() == b""


def test_memory_does_not_grow_with_the_audit_log(long_audit_log: str) -> None:
    whole, fiftieth = memory_of_export(long_audit_log), memory_of_export(long_audit_log, "--team", TEAM)

    assert whole - fiftieth < 16 * 1024 * 1024


def memory_of_export(url: str, *options: str) -> int:
    """Return the peak resident memory of an export in bytes."""
    with exporting(url, *options) as process:
        assert process.stdout
        most = 0
        for number, _ in enumerate(process.stdout):
            if number % 500 == 0:
                most = max(most, psutil.Process(process.pid).memory_info().rss)
    return most


def exporting(url: str, *options: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [str(STAGELY_RPC), "audit", "export", *options],
        env=environment(DATABASE_URL=url),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
