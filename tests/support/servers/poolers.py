"""Real PgBouncer processes."""

from __future__ import annotations

import re
import signal
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
from psycopg.rows import dict_row

from stagely_rpc.embedded.account import grant_read, grant_traversal
from tests.support.ports import free_port
from tests.support.servers import daemons, installed
from tests.support.servers.daemons import Daemon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import LiteralString

    from tests.support.identity.certificates import Certificate
    from tests.support.servers.postgresql import PostgreSQL

_CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server_port} user=postgres

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 200
server_round_robin = 1
"""
_TLS = """
server_tls_sslmode = require
client_tls_sslmode = allow
client_tls_cert_file = {directory}/pgbouncer.crt
client_tls_key_file = {directory}/pgbouncer.key
"""
_PREPARES_FROM = (1, 21)


class Kind(NamedTuple):
    """A version of PgBouncer, and its configuration for prepared statements.

    Attributes:
        program: finds the program, or skips the test.
        prepared_statements: the limit of prepared statements per server connection; 0 turns support off, None keeps
            PgBouncer's default.
    """

    program: Callable[[], Path]
    prepared_statements: int | None


WITHOUT_PREPARED = Kind(installed.pgbouncer, 0)
WITHOUT_PREPARED_NEW = Kind(installed.recent_pgbouncer, 0)
WITH_PREPARED = Kind(installed.recent_pgbouncer, None)


@dataclass(frozen=True)
class PgBouncer:
    """A PgBouncer in front of a server."""

    port: int

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def show(self, command: LiteralString) -> list[dict[str, Any]]:
        """Return the answer of its admin console."""
        with psycopg.connect(
            self.url("pgbouncer"), autocommit=True, cursor_factory=psycopg.ClientCursor, row_factory=dict_row
        ) as console:
            return console.execute(command).fetchall()


@contextmanager
def pgbouncer(
    server: PostgreSQL, kind: Kind = WITHOUT_PREPARED, *, size: int = 5, certificate: Certificate | None = None
) -> Iterator[PgBouncer]:
    """Run a PgBouncer with `size` server connections. It uses them in turn, so a client often changes its connection.

    With a certificate, it requires TLS to the server, and offers TLS to clients.
    """
    program = kind.program()
    with daemons.folder() as directory:
        daemon, port = Daemon(directory), free_port()
        file = directory / "pgbouncer.ini"
        configuration = _CONFIGURATION.format(
            server_port=server.port, port=port, size=size
        ) + _limit_of_prepared_statements(program, kind.prepared_statements)
        if certificate is not None:
            (directory / "pgbouncer.crt").write_bytes(certificate.pem)
            (directory / "pgbouncer.key").write_bytes(certificate.key)
            configuration += _TLS.format(directory=directory)
        file.write_text(configuration)
        daemons.own(directory, account=daemon.account)
        grant_traversal(program, daemon.account)
        grant_read(program, daemon.account)
        pooler = PgBouncer(port)
        daemon.start([program, file], pooler.url("postgres"))
        try:
            yield pooler
        finally:
            daemon.stop(signal.SIGINT)


def _limit_of_prepared_statements(program: Path, number: int | None) -> str:
    if number is None or _version_of(program) < _PREPARES_FROM:
        return ""
    return f"max_prepared_statements = {number}\n"


def _version_of(program: Path) -> tuple[int, ...]:
    output = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.match(r"PgBouncer (\d+)\.(\d+)", output)
    assert found, output
    return tuple(int(part) for part in found.groups())
