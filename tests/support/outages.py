"""Outages of a database. Each is a context manager that ends the outage."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import grpc
import psycopg

from stagely.v1 import team_pb2, team_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.support.own_postgres import OwnPostgres

    Outage = Callable[["OwnPostgres", str], AbstractContextManager[None]]

POOL_SIZE = 5
_CALLS = 8 * POOL_SIZE
"""Enough calls to exceed the pool of each of two workers."""
_FOREIGN = """
    WITH team AS (INSERT INTO teams (slug, name) VALUES ('foreign', 'Foreign') RETURNING id)
    INSERT INTO data_keys (team_id, key_encryption_key_id, wrapped_key) SELECT id, 'feedfeedfeedfeed', 'x' FROM team
"""


@contextmanager
def stopped(postgres: OwnPostgres, _: str) -> Iterator[None]:
    postgres.stop()
    try:
        yield
    finally:
        postgres.start()


def paused(postgres: OwnPostgres, _: str) -> AbstractContextManager[None]:
    return postgres.paused()


def _between(do: str, undo: str) -> Outage:
    @contextmanager
    def outage(postgres: OwnPostgres, _: str) -> Iterator[None]:
        postgres.execute(do)
        try:
            yield
        finally:
            postgres.execute(undo)

    return outage


read_only = _between(
    "ALTER DATABASE stagely SET default_transaction_read_only = on",
    "ALTER DATABASE stagely RESET default_transaction_read_only",
)
schema_behind = _between(
    "UPDATE alembic_version SET version_num = lpad((version_num::int - 1)::text, 3, '0')",
    "UPDATE alembic_version SET version_num = lpad((version_num::int + 1)::text, 3, '0')",
)
key_missing = _between(_FOREIGN, "DELETE FROM teams WHERE slug = 'foreign'")


@contextmanager
def pool_exhausted(postgres: OwnPostgres, address: str) -> Iterator[None]:
    """Exhaust the pool: every connection waits for a lock, and further calls wait for a connection."""
    with psycopg.connect(postgres.url) as holder, ExitStack() as stack:
        holder.execute("LOCK TABLE teams IN ACCESS EXCLUSIVE MODE")
        pending = [_listing(address, stack) for _ in range(_CALLS)]
        yield
        holder.rollback()
        for each in pending:
            each.exception()


def _listing(address: str, stack: ExitStack) -> grpc.Future[team_pb2.ListTeamsResponse]:
    """Start a ListTeams call on a new connection, which any worker may accept."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    teams = team_pb2_grpc.TeamServiceStub(stack.enter_context(grpc.insecure_channel(address, options=options)))
    return teams.ListTeams.future(team_pb2.ListTeamsRequest(), timeout=60)
