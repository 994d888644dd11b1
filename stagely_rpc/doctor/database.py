"""The checks of the database, with the role of DATABASE_URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from stagely_rpc.db.driver.failures import one_line, why_unreachable
from stagely_rpc.doctor import pool, privileges, stored, tls
from stagely_rpc.doctor.findings import Finding, fail, skipped
from stagely_rpc.doctor.postgres import clock, version, writable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stagely_rpc.doctor.findings import Outcome
    from stagely_rpc.settings.model import Settings

    Check = Callable[[psycopg.Connection, Settings], Outcome]

CONNECT_SECONDS = 5
_STATEMENT_TIMEOUT = "5s"

_REACH = "database"
_SCHEMA = "schema"
_CHECKS: dict[str, Check] = {
    "database tls": tls.encryption,
    "database writes": writable,
    "clock": clock,
    "connections": pool.fits,
}
_CHECKS_OF_THE_SCHEMA: dict[str, Check] = {
    "privileges": privileges.privileges,
    "encryption key": stored.encryption_key,
}
NAMES = (_REACH, *_CHECKS, _SCHEMA, *_CHECKS_OF_THE_SCHEMA)


def findings(settings: Settings) -> Iterator[Finding]:
    """Yield the findings about the database. Checks that can't run are skipped."""
    url = settings.database_url.get_secret_value()
    try:
        connection = psycopg.connect(
            url, autocommit=True, connect_timeout=CONNECT_SECONDS, application_name="stagely-rpc doctor"
        )
    except psycopg.Error as error:
        yield Finding(_REACH, *_unreachable(why_unreachable(error, url)))
        yield from skipped(NAMES[1:], "the database is unreachable")
        return
    with connection:
        yield from _findings_on(connection, settings)


def _unreachable(reason: str) -> Outcome:
    if distrusted := tls.distrust(reason):
        more, advice = distrusted
        return fail(f"unreachable: {reason}: {more}", advice)
    return fail(f"unreachable: {reason}", "check DATABASE_URL, and that PostgreSQL accepts connections from this host")


def _findings_on(connection: psycopg.Connection, settings: Settings) -> Iterator[Finding]:
    connection.execute(f"SET statement_timeout = '{_STATEMENT_TIMEOUT}'".encode())
    yield _finding(_REACH, version, connection, settings)
    for name, check in _CHECKS.items():
        yield _finding(name, check, connection, settings)
    schema = _finding(_SCHEMA, stored.schema, connection, settings)
    yield schema
    if schema.status == "fail":
        yield from skipped(_CHECKS_OF_THE_SCHEMA, "the schema is at the wrong revision")
        return
    for name, check in _CHECKS_OF_THE_SCHEMA.items():
        yield _finding(name, check, connection, settings)


def _finding(name: str, check: Check, connection: psycopg.Connection, settings: Settings) -> Finding:
    try:
        return Finding(name, *check(connection, settings))
    except psycopg.Error as error:
        outcome = fail(f"can't be checked: {one_line(error)}", "grant the role of DATABASE_URL the right to read it")
        return Finding(name, *outcome)
