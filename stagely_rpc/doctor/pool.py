"""Check that the server has enough free connections for the pool."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely_rpc.doctor.findings import ok, warn

if TYPE_CHECKING:
    import psycopg

    from stagely_rpc.doctor.findings import Outcome
    from stagely_rpc.settings.model import Settings

# `reserved_connections` exists since PostgreSQL 16. Any role can read the number of sessions.
_LIMIT_AND_IN_USE = """
    SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
             - coalesce(current_setting('reserved_connections', true), '0')::int,
           (SELECT sum(numbackends)::int FROM pg_stat_database) - 1
"""


def fits(connection: psycopg.Connection, settings: Settings) -> Outcome:
    """Check that the server has enough free connections for one replica. The number of replicas is unknown."""
    limit, in_use = connection.execute(_LIMIT_AND_IN_USE).fetchone() or (0, 0)
    needed = settings.database_pool_size + settings.workers
    found = f"a replica needs up to {needed}, and {in_use} of the server's {limit} are in use"
    if needed > limit - in_use:
        advice = "lower DATABASE_POOL_SIZE, raise max_connections, or use PgBouncer"
        return warn(found, f"{advice}; ignore this if the connections in use are this replica's")
    return ok(found)
