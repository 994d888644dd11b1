"""Check that the pool fits into the server's free connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely_rpc.doctor.findings import ok, warn

if TYPE_CHECKING:
    import psycopg

    from stagely_rpc.doctor.findings import Outcome
    from stagely_rpc.settings.model import Settings

# `reserved_connections` exists since PostgreSQL 16. Every role may see the number of sessions.
_ROOM = """
    SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
             - coalesce(current_setting('reserved_connections', true), '0')::int,
           (SELECT sum(numbackends)::int FROM pg_stat_database) - 1
"""


def connections(connection: psycopg.Connection, settings: Settings) -> Outcome:
    """Check that the pool of one replica fits. The number of replicas is unknown here."""
    most, in_use = connection.execute(_ROOM).fetchone() or (0, 0)
    needed = settings.database_pool_size + settings.workers
    found = f"a replica takes up to {needed}, and of the server's {most} there are {in_use} in use"
    if needed > most - in_use:
        advice = "lower DATABASE_POOL_SIZE, raise max_connections, or put PgBouncer between"
        return warn(found, f"if none of them are this replica's: {advice}")
    return ok(found)
