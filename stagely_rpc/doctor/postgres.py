"""Checks of the PostgreSQL server: its version, whether it accepts writes, and its clock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from stagely_rpc.db.schema.versions import OLDEST_MAJOR, version_of, why_too_old
from stagely_rpc.doctor.findings import fail, ok, warn
from stagely_rpc.health.database import IS_READ_ONLY

if TYPE_CHECKING:
    import psycopg

    from stagely_rpc.doctor.findings import Outcome
    from stagely_rpc.settings.model import Settings

SKEW_WARN_SECONDS = 1.0
SKEW_FAIL_SECONDS = 5.0


def version(connection: psycopg.Connection, _: Settings) -> Outcome:
    """Check that the server is recent enough."""
    info = connection.info
    found = f"PostgreSQL {version_of(info)} at {info.host}:{info.port}, database {info.dbname}, role {info.user}"
    if why_too_old(info):
        return fail(found, f"upgrade to PostgreSQL {OLDEST_MAJOR} or newer")
    return ok(found)


def writable(connection: psycopg.Connection, _: Settings) -> Outcome:
    """Check that the server accepts writes."""
    if value(connection, IS_READ_ONLY):
        advice = "point DATABASE_URL at the primary, or reset default_transaction_read_only"
        return fail("the database is read-only", advice)
    return ok("the database accepts writes")


def clock(connection: psycopg.Connection, _: Settings) -> Outcome:
    """Check that the clocks of this host and the database agree, because tokens and leases expire by these clocks."""
    before = time.time()
    theirs = float(value(connection, "SELECT extract(epoch FROM clock_timestamp())"))
    after = time.time()
    # The round-trip time does not count as skew.
    skew = max(before - theirs, theirs - after, 0.0)
    found, advice = f"differs from the database's by {skew:.1f} s", "synchronise both clocks with NTP"
    if skew >= SKEW_FAIL_SECONDS:
        return fail(found, advice)
    return warn(found, advice) if skew >= SKEW_WARN_SECONDS else ok(found)


def value(connection: psycopg.Connection, query: str) -> Any:  # noqa: ANN401 - the type depends on the query
    """Return the first column of the first row, or None."""
    row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None
