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


@dataclass(frozen=True)
class PgBouncer:
    """One in front of a server."""

    port: int

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"


@contextmanager
def pgbouncer(server: PostgreSQL, *, mode: str = "transaction", size: int = 5) -> Iterator[PgBouncer]:
    """Run one that has so many sessions of a server, and lends them in turn: nobody meets the same one for long."""
    program = installed.pgbouncer()
    with daemons.folder() as directory:
        daemon, port = Daemon(directory), daemons.free_port()
        file = directory / "pgbouncer.ini"
        file.write_text(_CONFIGURATION.format(server_port=server.port, port=port, mode=mode, size=size))
        daemons.own(directory, account=daemon.account)
        pooler = PgBouncer(port)
        daemon.start([program, file], pooler.url("postgres"))
        try:
            yield pooler
        finally:
            daemon.stop(signal.SIGINT)
