"""The database, as the role of DATABASE_URL sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from stagely_rpc.db.driver.failures import one_line, why_unreachable
from stagely_rpc.doctor import privileges, room, stored, tls
from stagely_rpc.doctor.connection import clock, version, writable
from stagely_rpc.doctor.findings import Finding, fail, skipped

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
    "connections": room.connections,
}
_CHECKS_OF_THE_SCHEMA: dict[str, Check] = {
    "privileges": privileges.privileges,
    "encryption key": stored.encryption_key,
}
NAMES = (_REACH, *_CHECKS, _SCHEMA, *_CHECKS_OF_THE_SCHEMA)


def findings(settings: Settings) -> Iterator[Finding]:
    """Yield what is found of the database; what can't be looked at is skipped."""
    url = settings.database_url.get_secret_value()
    try:
        connection = psycopg.connect(
            url, autocommit=True, connect_timeout=CONNECT_SECONDS, application_name="stagely-rpc doctor"
        )
    except psycopg.Error as error:
        yield Finding(_REACH, *_out_of_reach(why_unreachable(error, url)))
        yield from skipped(NAMES[1:], "the database is out of reach")
        return
    with connection:
        yield from _findings_on(connection, settings)


def _out_of_reach(reason: str) -> Outcome:
    if distrusted := tls.distrust(reason):
        more, advice = distrusted
        return fail(f"out of reach: {reason}: {more}", advice)
    return fail(f"out of reach: {reason}", "check DATABASE_URL, and that PostgreSQL takes connections from here")


def _findings_on(connection: psycopg.Connection, settings: Settings) -> Iterator[Finding]:
    connection.execute(f"SET statement_timeout = '{_STATEMENT_TIMEOUT}'".encode())
    yield _finding(_REACH, version, connection, settings)
    for name, check in _CHECKS.items():
        yield _finding(name, check, connection, settings)
    schema = _finding(_SCHEMA, stored.schema, connection, settings)
    yield schema
    if schema.status == "fail":
        yield from skipped(_CHECKS_OF_THE_SCHEMA, "the schema is not the one that is needed")
        return
    for name, check in _CHECKS_OF_THE_SCHEMA.items():
        yield _finding(name, check, connection, settings)


def _finding(name: str, check: Check, connection: psycopg.Connection, settings: Settings) -> Finding:
    try:
        return Finding(name, *check(connection, settings))
    except psycopg.Error as error:
        outcome = fail(f"can't be looked at: {one_line(error)}", "let the role of DATABASE_URL look at it")
        return Finding(name, *outcome)
