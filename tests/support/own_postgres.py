"""A separate PostgreSQL server for tests that stop or damage it."""

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

# A commit must survive a killed server. It need not survive a crash of the host, so fsync is off.
_SETTINGS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "on", "max_wal_size": "64MB"}


class OwnPostgres:
    """A PostgreSQL server that can be killed, paused and started again. Its URL does not change."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._server = embedded.start(directory, settings=_SETTINGS)
        self.url = self._server.url

    @property
    def _postmaster(self) -> psutil.Process:
        first_line = (self._directory / "data" / "postmaster.pid").read_text(encoding="ascii").split("\n", 1)[0]
        return psutil.Process(int(first_line))

    def start(self) -> None:
        """Start the server again, with crash recovery if needed."""
        self._server = embedded.start(self._directory, settings=_SETTINGS)

    def stop(self) -> None:
        """Stop the server, if it runs."""
        self._server.stop()

    def kill(self) -> None:
        """Kill the postmaster. Its child processes then exit on their own."""
        self._postmaster.kill()
        self._server.stop()

    def signal_all(self, number: signal.Signals) -> None:
        """Signal every process of the server, because a signal to the postmaster does not reach the backends."""
        postmaster = self._postmaster
        for process in (postmaster, *postmaster.children(recursive=True)):
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Pause every process of the server. Connections stay open, but get no response."""
        self.signal_all(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal_all(signal.SIGCONT)

    def execute(self, *statements: str) -> None:
        """Run statements on a separate connection, even if the database is read-only by default."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            for statement in statements:
                connection.execute(statement.encode())

    def terminate_backends(self) -> int:
        """Terminate all other client connections. Return how many there were."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            ).rowcount


@contextmanager
def own_postgres(disk: Path | None = None, *, migrated: bool = True) -> Iterator[OwnPostgres]:
    """Run a PostgreSQL server for one test or campaign. The path of its socket must be short.

    Args:
        disk: the directory for the data. Default: the temporary directory.
        migrated: whether to migrate the database to head.
    """
    with tempfile.TemporaryDirectory(prefix="stagely-", dir=disk) as directory:
        postgres = OwnPostgres(Path(directory) / "pg")
        try:
            if migrated:
                migrations.upgrade(postgres.url)
            yield postgres
        finally:
            postgres.stop()
