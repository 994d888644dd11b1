"""Migrations while other processes migrate or use the database."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest

from stagely_rpc.db.schema import migrations
from stagely_rpc.db.schema.migrations import MIGRATION_LOCK, MigrationError
from tests.support.schema.catalog import tables_of
from tests.support.schema.rows import make_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WAITING_FOR_OTHERS = """
    SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'
"""
MIGRATE = "import sys; from stagely_rpc.db.schema import migrations; print(*migrations.upgrade(sys.argv[1]))"


@contextmanager
def open_transaction(url: str, statement: bytes) -> Iterator[None]:
    """Run a statement and keep its transaction open."""
    with psycopg.connect(url) as connection:
        connection.execute(statement)
        yield
        connection.rollback()


def invalid_indexes(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [name for name, definition in tables_of(connection).items() if definition.endswith("INVALID")]


def test_ten_processes_can_migrate_an_empty_database_at_once(empty_database_url: str) -> None:
    command = [sys.executable, "-W", "error", "-c", MIGRATE, empty_database_url]
    directory = migrations.migrations_directory().parent
    processes = [
        subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(10)
    ]
    outputs = [process.communicate(timeout=60) for process in processes]

    assert [(process.returncode, errors) for process, (_, errors) in zip(processes, outputs, strict=True)] == [
        (0, "")
    ] * 10
    applied = [revision for printed, _ in outputs for revision in printed.split()]
    assert sorted(applied) == [f"{number:03d}" for number in range(1, int(migrations.head_revision()) + 1)]
    migrations.check(empty_database_url)


def test_wait_for_the_migration_lock_times_out(empty_database_url: str) -> None:
    with open_transaction(empty_database_url, f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})".encode()):
        started = time.monotonic()
        with pytest.raises(MigrationError, match=r"^another process is migrating .* within 0\.3 s$"):
            migrations.upgrade(empty_database_url, wait_seconds=0.3)

        assert 0.3 <= time.monotonic() - started < 5
    assert migrations.current_revision(empty_database_url) is None
    assert migrations.upgrade(empty_database_url, "001", wait_seconds=0) == ["001"]


def test_lock_is_released_after_a_failure(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE users (id int)")
        with pytest.raises(MigrationError, match=r'stopped at 001: relation "users" already exists'):
            migrations.upgrade(empty_database_url)
        assert migrations.current_revision(empty_database_url) == "001"
        connection.execute("DROP TABLE users")

    assert migrations.upgrade(empty_database_url, wait_seconds=1)[0] == "002"


def test_wait_for_a_table_times_out(database_at: Callable[[str], str]) -> None:
    url = database_at("015")
    with open_transaction(url, b"SELECT FROM audit_logs"):
        started = time.monotonic()
        with pytest.raises(MigrationError, match=r"stopped at 016: canceling statement due to lock timeout"):
            migrations.upgrade(url, lock_timeout_seconds=0.2)

        assert time.monotonic() - started < 5
    assert migrations.current_revision(url) == "016"
    assert migrations.upgrade(url)[0] == "017"


def test_invalid_index_of_an_interrupted_build_is_rebuilt(database_at: Callable[[str], str]) -> None:
    url = database_at("023")
    with open_transaction(url, b"INSERT INTO teams (slug, name) VALUES ('acme', 'Acme')"):
        with pytest.raises(MigrationError, match=r"stopped at 023: canceling statement due to lock timeout"):
            migrations.upgrade(url, lock_timeout_seconds=0.2)
        assert invalid_indexes(url) == ["index teams.idx_teams_list"]

    assert migrations.upgrade(url, "024") == ["024"]
    assert invalid_indexes(url) == []
    migrations.upgrade(url)
    migrations.check(url)


def test_building_the_list_indexes_does_not_block_writers(database_at: Callable[[str], str]) -> None:
    url = database_at("023")
    with ThreadPoolExecutor() as executor, psycopg.connect(url, autocommit=True) as writer:
        # CREATE INDEX CONCURRENTLY waits for transactions with an older snapshot.
        with open_transaction(url, b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT FROM teams"):
            migration = executor.submit(migrations.upgrade, url, "024")
            while not writer.execute(WAITING_FOR_OTHERS).fetchall():
                assert not migration.done()
            writer.execute("SET lock_timeout = '100ms'")
            make_row(writer, "teams")
            assert not migration.done()
        assert migration.result(timeout=30) == ["024"]
