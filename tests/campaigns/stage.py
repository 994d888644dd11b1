"""What a campaign does its worst to: a PostgreSQL and a service of its own, as real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import tempfile
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from stagely_rpc import embedded
from stagely_rpc.db import migrations
from tests.e2e.processes import STAGELY_RPC, serving, settings_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from tests.e2e.processes import Running

# What PostgreSQL has acknowledged must outlive its death; only the host's own death may lose it here.
_SETTINGS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "on", "max_wal_size": "64MB"}


class OwnPostgres:
    """A PostgreSQL that may be killed, paused and started again. Its URL stays."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._server = embedded.start(directory, settings=_SETTINGS)
        self.url = self._server.url

    @property
    def _postmaster(self) -> int:
        return int((self._directory / "data" / "postmaster.pid").read_text(encoding="ascii").split("\n", 1)[0])

    def kill(self) -> None:
        """Kill the postmaster; its children leave when they notice."""
        os.kill(self._postmaster, signal.SIGKILL)
        self._server.stop()

    def start(self) -> None:
        """Start it again, through crash recovery."""
        self._server = embedded.start(self._directory, settings=_SETTINGS)

    def stop(self) -> None:
        """Stop it, unless it is dead."""
        self._server.stop()

    def signal_all(self, number: signal.Signals) -> None:
        """Signal every process of the server: its backends do not stop with the postmaster."""
        postmaster = self._postmaster
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text(encoding="ascii").split()
        for pid in (postmaster, *map(int, children)):
            with _gone():
                os.kill(pid, number)

    def terminate_backends(self) -> int:
        """Terminate the connection of every other process; return how many those were."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            ).rowcount


@contextmanager
def _gone() -> Iterator[None]:
    try:
        yield
    except ProcessLookupError:
        return


@contextmanager
def own_postgres(disk: Path | None = None, *, migrated: bool = True) -> Iterator[OwnPostgres]:
    """Run a PostgreSQL for this campaign alone.

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


def free_port() -> int:
    """Return a port that is free now, for a service that comes back where it was."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


class Service:
    """`stagely-rpc serve` on one port, which may be killed and started again."""

    def __init__(self, url: str, env: Mapping[str, str], command: Sequence[str], program: Path) -> None:
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._given = (command, settings_for(url, **{"PORT": str(self.port), **env}), program)
        self._stack = ExitStack()
        self.running: Running

    def start(self) -> None:
        """Start it, and wait until it listens."""
        command, env, program = self._given
        self._stack = ExitStack()
        self.running = self._stack.enter_context(serving(command, env, program=program))

    def kill(self) -> None:
        """Kill it."""
        self.running.process.kill()
        self._stack.close()

    def stop(self) -> int:
        """Stop it as a supervisor does; return its exit code."""
        code = self.running.stop()
        self._stack.close()
        return code

    def open_files(self) -> int:
        """Return how many file descriptors it has."""
        return len(list(Path(f"/proc/{self.running.process.pid}/fd").iterdir()))

    def rss_bytes(self) -> int:
        """Return how much memory it has resident."""
        status = Path(f"/proc/{self.running.process.pid}/statm").read_text(encoding="ascii")
        return int(status.split()[1]) * os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def service(
    url: str, command: Sequence[str] = ("serve",), program: Path = STAGELY_RPC, **env: str
) -> AsyncIterator[Service]:
    """Run a service for this campaign alone. It starts and stops while the loop runs on, which may be its network."""
    one = Service(url, env, command, program)
    await asyncio.to_thread(one.start)
    try:
        yield one
    finally:
        await asyncio.to_thread(one.stop)
