"""Maps errors of PostgreSQL to domain errors, which contain no SQL, no driver text and no values of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from stagely_rpc.errors import (
    AbortedError,
    DeadlineExceededError,
    OverloadedError,
    UnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

# SQLSTATE codes, or their two-character classes: https://www.postgresql.org/docs/current/errcodes-appendix.html
_CONNECTION_EXCEPTION = "08"
_SHUTDOWNS = ("57P01", "57P02")  # admin_shutdown, crash_shutdown

_BY_CODE: tuple[tuple[tuple[str, ...], Callable[[], Exception]], ...] = (
    (
        ("40001", "40P01", "55P03"),  # serialization_failure, deadlock_detected, lock_not_available
        lambda: AbortedError("a concurrent change conflicted with this one: read again and retry", may_run_again=True),
    ),
    (
        ("26000", "42P05"),  # invalid_sql_statement_name, duplicate_prepared_statement: a pooler switched the session
        lambda: AbortedError("prepared statements were lost: retry", may_run_again=True),
    ),
    (
        ("57014",),  # query_canceled
        lambda: DeadlineExceededError("the database ended a statement that took too long"),
    ),
    (
        ("53300",),  # too_many_connections
        lambda: OverloadedError("the database accepts no more connections"),
    ),
    (
        ("53", "58"),  # insufficient_resources, such as disk_full; system_error, such as io_error
        lambda: UnavailableError("the database is out of disk space or memory", reason="DATABASE_OUT_OF_RESOURCES"),
    ),
    (
        (_CONNECTION_EXCEPTION, "57P", "25006"),  # operator_intervention, read_only_sql_transaction
        lambda: UnavailableError("the database is unavailable"),
    ),
)
"""The errors by prefix of the SQLSTATE. The first match applies."""

DATABASE_ERRORS = (psycopg.Error, DBAPIError, PoolTimeoutError)
"""The errors of psycopg and SQLAlchemy."""


class UnexpectedDatabaseError(Exception):
    """A database error without a domain error. It is a bug in this service unless a rule expects the constraint.

    It replaces the driver's error, whose text may contain values of the row.

    Attributes:
        constraint: the name of the violated constraint, if one was violated.
    """

    def __init__(self, message: str, constraint: str | None) -> None:
        super().__init__(message)
        self.constraint = constraint


def domain_error(error: BaseException) -> Exception:
    """Return a new domain error for a database error."""
    if isinstance(error, PoolTimeoutError):
        return OverloadedError("no database connection came free in time")
    origin = error.orig if isinstance(error, DBAPIError) else error
    if is_outdated_plan(origin):
        return AbortedError("the schema changed during the call: retry", may_run_again=True)
    code = getattr(origin, "sqlstate", None) or ""
    for beginnings, make in _BY_CODE:
        if code.startswith(beginnings):
            return make()
    if _is_client_error(origin, code) or (isinstance(error, DBAPIError) and error.connection_invalidated):
        return UnavailableError("the database is unavailable")
    statement = error.statement if isinstance(error, DBAPIError) else " ".join(getattr(error, "__notes__", ()))
    kind, constraint = type(origin).__name__, _violated_constraint(origin)
    message = f"{kind} (SQLSTATE {code or 'none'}, constraint {constraint}) in: {statement}"
    return UnexpectedDatabaseError(message, constraint)


def is_connection_lost(error: BaseException) -> bool:
    """Return whether the connection broke, so that a retry on another connection makes sense."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated
    code = getattr(error, "sqlstate", None) or ""
    return code.startswith((_CONNECTION_EXCEPTION, *_SHUTDOWNS)) or _is_client_error(error, code)


def is_outdated_plan(error: BaseException | None) -> bool:
    """Return whether a prepared statement failed because its column types changed."""
    # The SQLSTATE is only feature_not_supported, and the message is localized. So the source function is compared.
    return (
        isinstance(error, psycopg.errors.FeatureNotSupported) and error.diag.source_function == "RevalidateCachedQuery"
    )


def _violated_constraint(error: BaseException | None) -> str | None:
    """Return the name of the violated constraint."""
    return error.diag.constraint_name if isinstance(error, psycopg.Error) else None


def _is_client_error(origin: BaseException | None, code: str) -> bool:
    # An operational error without a code comes from libpq: no connection, or a broken one.
    return not code and isinstance(origin, psycopg.OperationalError)
