"""The PostgreSQL server of a test run, which the pytest-xdist workers share, and its databases.

The server is the first available of: `TEST_DATABASE_URL` (a role that may create databases), a Docker container, the
embedded PostgreSQL. It is started once per run, when the first test needs it.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import socketserver
import tempfile
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from stagely_rpc.db.schema import migrations
from stagely_rpc.embedded import postgres as embedded
from tests.support import container
from tests.support.leaks import HUNT

if TYPE_CHECKING:
    from collections.abc import Iterator

# Data need not survive a crash. Parallel workers need more connections than the default of 100.
THROWAWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}
_POSTGRESQL_15 = 150_000
_ROOM_BYTES = 4 * 1024**3
_TEMPLATE_LOCK = 0x57A6E17


class PostgresUnavailableError(Exception):
    """PostgreSQL could not be started. The message gives the reason."""


@dataclass(frozen=True)
class PostgresServer:
    """A PostgreSQL server on which this test run may create databases."""

    url: str
    """The URL of the maintenance database. Tests don't change this database."""
    source: str
    """The origin of the server, and its version."""
    run: str
    """The id of the run. Database names contain it, so that two runs can share a server."""

    def create_database(self, template: str | None = None) -> str:
        """Create a database, empty or as a copy of the database named `template`. Return its URL."""
        name = f"{self._prefix}{secrets.token_hex(4)}"
        origin = sql.SQL("TEMPLATE {}").format(sql.Identifier(template)) if template else sql.SQL("")
        with self._administering() as admin:
            # FILE_COPY does not write the copied data to the WAL. It can be chosen since PostgreSQL 15.
            strategy = sql.SQL("STRATEGY FILE_COPY" if admin.info.server_version >= _POSTGRESQL_15 else "")
            admin.execute(sql.SQL("CREATE DATABASE {} {} {}").format(sql.Identifier(name), origin, strategy))
        return self._url_of(name)

    def drop_database(self, url: str) -> None:
        """Drop a database, even if it has connections. Before, check that it contains no plaintext secret."""
        HUNT.search_database(url)
        self._drop(urlsplit(url).path.removeprefix("/"))

    def drop_databases(self) -> None:
        """Drop the remaining databases of this run."""
        with self._administering() as admin:
            pattern = self._prefix.replace("_", r"\_") + "%"
            left = admin.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [pattern]).fetchall()
        for (name,) in left:
            self._drop(name)

    def migrated_template(self) -> str:
        """Return the name of a template database at head. The first caller of the run creates it."""
        name = f"{self._prefix}template"
        with self._administering() as admin:
            admin.execute("SELECT pg_advisory_lock(%s, hashtext(%s))", [_TEMPLATE_LOCK, self.run])
            if not admin.execute("SELECT FROM pg_database WHERE datname = %s", [name]).rowcount:
                draft = self.create_database()
                migrations.upgrade(draft)
                self._publish(admin, draft, name)
        return name

    def _publish(self, admin: psycopg.Connection, draft: str, name: str) -> None:
        made = sql.Identifier(urlsplit(draft).path.removeprefix("/"))
        # PostgreSQL can't copy a database that has connections.
        admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(made))
        admin.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(made, sql.Identifier(name)))

    def _drop(self, name: str) -> None:
        with self._administering() as admin:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    @property
    def _prefix(self) -> str:
        return f"stagely_test_{self.run}_"

    def _administering(self) -> psycopg.Connection:
        return psycopg.connect(self.url, autocommit=True, connect_timeout=10)

    def _url_of(self, database: str) -> str:
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{database}"))


class PostgresOfRun:
    """Starts the PostgreSQL server of the run on first use, and stops it at the end of the run."""

    def __init__(self) -> None:
        self.server: PostgresServer | None = None
        self._starting = threading.Lock()
        self._undo = ExitStack()

    def get(self) -> PostgresServer:
        """Return the server of the run. Start it if needed. Thread-safe."""
        with self._starting:
            if self.server is None:
                url, source = self._undo.enter_context(_running_postgres())
                self.server = PostgresServer(url, f"{source} {_version(url)}", run=secrets.token_hex(4))
                self._undo.callback(self.server.drop_databases)
            return self.server

    def close(self) -> None:
        """Drop the databases of the run, and stop the server if the run started it."""
        self._undo.close()


class PostgresBroker:
    """Gives the server of the run to workers, over a Unix socket of the process that owns the run."""

    def __init__(self, postgres: PostgresOfRun) -> None:
        """Open the socket. The first request of a worker starts the server."""
        self._folder = tempfile.TemporaryDirectory(prefix="stagely-broker-")
        self.address = str(Path(self._folder.name) / "socket")
        self._listener = _Listener(self.address, postgres)
        threading.Thread(target=self._listener.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Close the socket."""
        self._listener.shutdown()
        self._listener.server_close()
        self._folder.cleanup()

    @staticmethod
    def request(address: str) -> PostgresServer:
        """Request the server of the run. Called by workers.

        Raises:
            PostgresUnavailableError: the server could not be started.
        """
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(address)
            answer = json.loads(line.makefile(encoding="utf-8").read())
        if "error" in answer:
            raise PostgresUnavailableError(answer["error"])
        return PostgresServer(**answer)


class _Listener(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, address: str, postgres: PostgresOfRun) -> None:
        super().__init__(address, _ResponseHandler)
        self.postgres = postgres


class _ResponseHandler(socketserver.StreamRequestHandler):
    server: _Listener

    def handle(self) -> None:
        try:
            answer = asdict(self.server.postgres.get())
        except Exception as failed:  # noqa: BLE001 - the worker reports the error in its failing test
            answer = {"error": f"{type(failed).__name__}: {failed}"}
        self.wfile.write(json.dumps(answer).encode())


@contextmanager
def _running_postgres() -> Iterator[tuple[str, str]]:
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given, "TEST_DATABASE_URL"
    elif container.docker_is_available():
        with container.postgres(THROWAWAY) as url:
            yield url, f"container {container.IMAGE}"
    else:
        with (
            tempfile.TemporaryDirectory(prefix="stagely-", dir=_memory()) as folder,
            embedded.start(Path(folder), settings=THROWAWAY) as server,
        ):
            yield server.url, "embedded"


def _memory() -> str | None:
    """Return an in-memory directory with enough space, if there is one, because a run creates hundreds of databases."""
    shared = Path("/dev/shm")  # noqa: S108 - the directory in it gets an unpredictable name
    if not os.access(shared, os.W_OK) or shutil.disk_usage(shared).free < _ROOM_BYTES:
        return None
    return str(shared)


def _version(url: str) -> str:
    with psycopg.connect(url, connect_timeout=10) as connection:
        return str(connection.info.parameter_status("server_version")).split()[0]
