"""Real PgBouncers."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.servers import daemons, installed
from tests.servers.daemons import Daemon

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.identity.make_certificates import Certificate
    from tests.servers.postgresql import PostgreSQL

_CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server_port} user=postgres

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
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


@dataclass(frozen=True)
class PgBouncer:
    """One in front of a server."""

    port: int

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"


@contextmanager
def pgbouncer(
    server: PostgreSQL, *, mode: str = "transaction", size: int = 5, certificate: Certificate | None = None
) -> Iterator[PgBouncer]:
    """Run one that has so many sessions of a server, and lends them in turn: nobody meets the same one for long.

    With a certificate, it speaks TLS to whoever wants it, and to the server.
    """
    program = installed.pgbouncer()
    with daemons.folder() as directory:
        daemon, port = Daemon(directory), daemons.free_port()
        file = directory / "pgbouncer.ini"
        file.write_text(_CONFIGURATION.format(server_port=server.port, port=port, mode=mode, size=size))
        if certificate is not None:
            (directory / "pgbouncer.crt").write_bytes(certificate.pem)
            (directory / "pgbouncer.key").write_bytes(certificate.key)
            file.write_text(file.read_text() + _TLS.format(directory=directory))
        daemons.own(directory, account=daemon.account)
        pooler = PgBouncer(port)
        daemon.start([program, file], pooler.url("postgres"))
        try:
            yield pooler
        finally:
            daemon.stop(signal.SIGINT)
