"""Real PostgreSQL servers of any version: over TCP, with TLS, as primary and standby."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, LiteralString

import psycopg
from psycopg import sql

from stagely_rpc.embedded.account import grant_read, grant_traversal
from tests.support.leaks import HUNT
from tests.support.ports import free_port
from tests.support.servers import daemons
from tests.support.servers.daemons import Daemon

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

DATABASE = "stagely"
_THROWAWAY = {"fsync": "off", "full_page_writes": "off", "timezone": "UTC", "unix_socket_directories": ""}
_INITDB = ("--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")


class PostgreSQL:
    """A server on a port of this host. Its data exists until the end of the test."""

    def __init__(self, programs: Path, directory: Path, settings: Mapping[str, str]) -> None:
        """Prepare the server. `initialise` or `stand_by` creates its data.

        Args:
            programs: the folder of the PostgreSQL programs.
            directory: the folder of the server.
            settings: settings for `postgres`.
        """
        self.programs = programs
        self.data = directory / "data"
        self.port = free_port()
        self.settings = dict(settings)
        self._daemon = Daemon(directory)
        daemons.own(directory, account=self._daemon.account)
        grant_traversal(programs.parent, self._daemon.account)
        grant_read(programs.parent, self._daemon.account)

    def url(self, database: str = DATABASE, host: str = "127.0.0.1") -> str:
        return f"postgresql://postgres@{host}:{self.port}/{database}"

    def initialise(self) -> None:
        """Create a cluster."""
        self._daemon.run([self.programs / "initdb", *_INITDB, "--pgdata", self.data])

    def stand_by(self, other: PostgreSQL) -> None:
        """Copy the data of a server that is not running, and follow that server once both run."""
        daemons.copy(other.data, self.data, account=self._daemon.account)
        self.follow(other)

    def follow(self, other: PostgreSQL) -> None:
        """Become the standby of another server at the next start."""
        self.place("standby.signal", b"")
        self.settings["primary_conninfo"] = f"host=127.0.0.1 port={other.port} user=postgres"

    def place(self, name: str, contents: bytes) -> Path:
        """Write a file into the cluster that only the server can read."""
        file = self.data / name
        file.write_bytes(contents)
        file.chmod(0o600)
        daemons.own(file, account=self._daemon.account)
        return file

    def start(self) -> None:
        settings = _THROWAWAY | {"listen_addresses": "127.0.0.1", "port": str(self.port)} | self.settings
        options = [f"--{name}={value}" for name, value in settings.items()]
        self._daemon.start([self.programs / "postgres", "-D", self.data, *options], self.url("postgres"))

    def stop(self) -> None:
        """Shut down in fast mode: open transactions are rolled back, and a standby receives all WAL."""
        self._daemon.stop(signal.SIGINT)

    def kill(self) -> None:
        """Kill every process of the server."""
        self._daemon.kill()

    def execute(self, statement: LiteralString, *parameters: object) -> list[tuple[object, ...]]:
        """Execute a statement as a superuser, and return its rows."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            cursor = connection.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def create_database(self, name: str = DATABASE) -> str:
        """Create a database, and return its URL."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url(name)


@contextmanager
def running(programs: Path, **settings: str) -> Iterator[PostgreSQL]:
    """Run a server with an empty database. Search the database for secrets at the end."""
    with daemons.folder() as directory:
        server = PostgreSQL(programs, directory, settings)
        server.initialise()
        server.start()
        try:
            server.create_database()
            yield server
            HUNT.search_database(server.url())
        finally:
            server.stop()
