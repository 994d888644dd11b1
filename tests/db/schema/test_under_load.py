"""Every revision after the planned ones is applied while other connections read and write."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from stagely_rpc.db.schema import migrations
from stagely_rpc.db.schema.migrations import MigrationError
from tests.support.schema.rows import VALUES, make_row

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

FIRST = 15
LOCK_TIMEOUT_SECONDS = 0.5
LONG_READ_SECONDS = 3.0
LONGEST_MILLISECONDS = 2000
"""The longest allowed wait for a lock. A migration without `lock_timeout` would cause longer waits."""

_PAUSE_SECONDS = 0.02
_POPULATE = """
    INSERT INTO teams (slug, name) SELECT 'many-' || n, 'Many' FROM generate_series(1, 200) AS n;
    INSERT INTO projects (team_id, slug, name, repo_url)
        SELECT id, 'shop', 'Shop', 'https://example.com/shop.git' FROM teams;
    INSERT INTO environments (project_id, branch_name, commit_hash, subdomain_hash)
        SELECT id, 'main', 'c0ffee', 'env-' || row_number() OVER () FROM projects, generate_series(1, 50);
    INSERT INTO audit_logs (team_id, action, resource_type)
        SELECT id, 'team.update', 'team' FROM teams, generate_series(1, 100);
"""

_CHANGES = (
    "UPDATE teams SET name = 'Acme, Inc.' WHERE slug = 'many-1'",
    "UPDATE environments SET vm_id = NULL WHERE subdomain_hash = 'env-1'",
)


def _some(table: str) -> sql.Composed:
    return sql.SQL("SELECT id FROM {} LIMIT 10").format(sql.Identifier(table))


@dataclass
class Traffic:
    """Threads that read and write, and their errors. A wait for a lock that is too long is an error."""

    url: str
    rounds: int = 0
    errors: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        for work in (self._write, self._write, self._read, self._read_for_long):
            thread = threading.Thread(target=self._repeat, args=(work,))
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, work: Callable[[psycopg.Connection], None]) -> None:
        with psycopg.connect(self.url, options=f"-c lock_timeout={LONGEST_MILLISECONDS}") as connection:
            while not self._stop.is_set():
                try:
                    work(connection)
                    connection.commit()
                except psycopg.Error as error:
                    self.errors.append(f"{work.__name__}: {error}")
                    connection.rollback()
                self.rounds += 1
                self._stop.wait(_PAUSE_SECONDS)

    def _write(self, connection: psycopg.Connection) -> None:
        for table in VALUES:
            make_row(connection, table)
            connection.commit()
        for change in _CHANGES:
            connection.execute(change)
            connection.commit()

    def _read(self, connection: psycopg.Connection) -> None:
        for table in VALUES:
            connection.execute(_some(table))
            connection.commit()

    def _read_for_long(self, connection: psycopg.Connection) -> None:
        """Read, and keep the transaction open. An exclusive lock on a table must wait for its end."""
        for table in VALUES:
            connection.execute(_some(table))
        self._stop.wait(LONG_READ_SECONDS)
        connection.commit()
        self._stop.wait(LONG_READ_SECONDS / 2)


def upgrade_between_reads(url: str, revision: str) -> None:
    """Upgrade as an operator does: repeat after a lock timeout."""
    for _ in range(100):
        try:
            migrations.upgrade(url, revision, lock_timeout_seconds=LOCK_TIMEOUT_SECONDS)
        except MigrationError as error:
            if "lock timeout" not in str(error):
                raise
        else:
            return
    raise AssertionError(f"{revision} could not be applied")


def test_migrations_neither_fail_nor_block_traffic_for_long(database_at: Callable[[str], str]) -> None:
    url = database_at(f"{FIRST - 1:03d}")
    with psycopg.connect(url) as connection:
        connection.execute(_POPULATE)
    with Traffic(url) as traffic:
        for revision in range(FIRST, int(migrations.head_revision()) + 1):
            upgrade_between_reads(url, f"{revision:03d}")

    assert traffic.errors == []
    assert traffic.rounds > 0
    migrations.check(url)
