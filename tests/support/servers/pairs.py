"""A primary and its standby with streaming replication, and the steps of a failover."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from stagely_rpc.db.schema import migrations
from tests.support.eventually import eventually
from tests.support.servers import daemons, installed
from tests.support.servers.postgresql import DATABASE, PostgreSQL

if TYPE_CHECKING:
    from collections.abc import Iterator

RECOVERY_SECONDS = 60

READ_ONLY = "ALTER SYSTEM SET default_transaction_read_only = on"
READ_WRITE = "ALTER SYSTEM RESET default_transaction_read_only"
RELOAD = "SELECT pg_reload_conf()"
PROMOTE = "SELECT pg_promote()"
WRITING = "SELECT pid FROM pg_stat_activity WHERE backend_xid IS NOT NULL"
STREAMING = "SELECT pid FROM pg_stat_replication WHERE state = 'streaming'"


def set_read_only(server: PostgreSQL, *, read_only: bool = True) -> None:
    """Make a server refuse or accept writes, in open sessions too."""
    server.execute(READ_ONLY if read_only else READ_WRITE)
    server.execute(RELOAD)


def wait_for_standby(primary: PostgreSQL) -> None:
    """Wait until the standby streams. From then on, the primary acknowledges a commit only when both have it."""
    deadline = time.monotonic() + RECOVERY_SECONDS
    while not primary.execute(STREAMING):
        assert time.monotonic() < deadline
        time.sleep(0.05)


async def promote(standby: PostgreSQL) -> None:
    await asyncio.to_thread(standby.execute, PROMOTE)


class Pair:
    """A primary and its synchronous standby: a commit is acknowledged only when both have it."""

    def __init__(self, primary: PostgreSQL, standby: PostgreSQL) -> None:
        self.primary = primary
        self.standby = standby

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in (self.primary, self.standby))
        return f"postgresql://postgres@{hosts}/{DATABASE}?target_session_attrs=read-write"

    def start(self) -> None:
        self.primary.initialise()
        self.standby.stand_by(self.primary)
        self.primary.start()
        self.standby.start()
        wait_for_standby(self.primary)
        self.primary.create_database()
        migrations.upgrade(self.primary.url())

    async def demote(self) -> None:
        """Make the primary refuse new writes, and wait until open write transactions end."""
        await asyncio.to_thread(set_read_only, self.primary)

        async def writing() -> int:
            return len(await asyncio.to_thread(self.primary.execute, WRITING))

        await eventually(writing, 0, seconds=RECOVERY_SECONDS)


@contextmanager
def running_pair() -> Iterator[Pair]:
    programs = installed.postgresql(installed.POSTGRESQL[-1])
    with daemons.folder() as one, daemons.folder() as other:
        primary = PostgreSQL(programs, one, {"synchronous_standby_names": "*"})
        standby = PostgreSQL(programs, other, {})
        pair = Pair(primary, standby)
        try:
            pair.start()
            yield pair
        finally:
            standby.stop()
            primary.stop()
