"""A PostgreSQL of their own for tests that harm it: the one of the suite is everybody's."""

from __future__ import annotations

import os
import signal
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg

from stagely_rpc.db.schema import migrations
from stagely_rpc.embedded import postgres as embedded

if TYPE_CHECKING:
    from collections.abc import Iterator

# What PostgreSQL has acknowledged must outlive its death; only the host's own death may lose it here.
_SETTINGS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "on", "max_wal_size": "64MB"}


class OwnPostgres:
    """A PostgreSQL that may be killed, paused and started again. Its URL stays."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._server = embedded.start(directory, settings=_SETTINGS)
        self.url = self._server.url

    @property
    def _postmaster(self) -> psutil.Process:
        first_line = (self._directory / "data" / "postmaster.pid").read_text(encoding="ascii").split("\n", 1)[0]
        return psutil.Process(int(first_line))

    def start(self) -> None:
        """Start it again, through crash recovery."""
        self._server = embedded.start(self._directory, settings=_SETTINGS)

    def stop(self) -> None:
        """Stop it, unless it is dead."""
        self._server.stop()

    def kill(self) -> None:
        """Kill the postmaster; its children leave when they notice."""
        self._postmaster.kill()
        self._server.stop()

    def signal_all(self, number: signal.Signals) -> None:
        """Signal every process of the server: its backends do not stop with the postmaster."""
        postmaster = self._postmaster
        for process in (postmaster, *postmaster.children(recursive=True)):
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Pause it for a while: connections stay open, and nobody answers."""
        self.signal_all(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal_all(signal.SIGCONT)

    def execute(self, *statements: str) -> None:
        """Run statements from outside of the service, even if the database is read-only."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            for statement in statements:
                connection.execute(statement.encode())

    def terminate_backends(self) -> int:
        """Terminate the connection of every other process; return how many those were."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            ).rowcount


@contextmanager
def own_postgres(disk: Path | None = None, *, migrated: bool = True) -> Iterator[OwnPostgres]:
    """Run a PostgreSQL for one test or campaign alone. The path of its socket must be short.

    Args:
        disk: where its data is.
        migrated: whether its database has the schema.
    """
    with tempfile.TemporaryDirectory(prefix="stagely-", dir=disk) as directory:
        postgres = OwnPostgres(Path(directory) / "pg")
        try:
            if migrated:
                migrations.upgrade(postgres.url)
            yield postgres
        finally:
            postgres.stop()
