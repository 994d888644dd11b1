"""What PostgreSQL refuses, as domain errors. No SQL, driver text or value of a row gets any further."""

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

# Codes, and classes of two characters, of https://www.postgresql.org/docs/current/errcodes-appendix.html
_CONNECTION_EXCEPTION = "08"
_SHUTDOWNS = ("57P01", "57P02")  # admin_shutdown, crash_shutdown

_BY_CODE: tuple[tuple[tuple[str, ...], Callable[[], Exception]], ...] = (
    (
        ("40001", "40P01", "55P03"),  # serialization_failure, deadlock_detected, lock_not_available
        lambda: AbortedError("a concurrent change got in the way: read again and retry", may_run_again=True),
    ),
    (
        ("26000", "42P05"),  # invalid_sql_statement_name, duplicate_prepared_statement: a pooler gave another session
        lambda: AbortedError("prepared statements were forgotten: retry", may_run_again=True),
    ),
    (
        ("57014",),  # query_canceled
        lambda: DeadlineExceededError("the database ended a statement that took too long"),
    ),
    (
        ("53300",),  # too_many_connections
        lambda: OverloadedError("the database takes no more connections"),
    ),
    (
        ("53", "58"),  # insufficient resources, such as space on the disk; an input or output error of its own
        lambda: UnavailableError("the database lacks space or memory", reason="DATABASE_OUT_OF_RESOURCES"),
    ),
    (
        (_CONNECTION_EXCEPTION, "57P", "25006"),  # operator intervention, read_only_sql_transaction
        lambda: UnavailableError("the database is unavailable"),
    ),
)
"""What makes the error for codes that begin so; the first that fits does."""

DATABASE_ERRORS = (psycopg.Error, DBAPIError, PoolTimeoutError)
"""Whatever comes of asking the database, directly or by way of SQLAlchemy."""


class UnexpectedDatabaseError(Exception):
    """A refusal that no rule expects, which is a fault of this service unless a rule expects its constraint.

    It is raised in place of the driver's error, whose text may hold the values of the refused row.

    Attributes:
        constraint: the name of the violated constraint, if one was violated.
    """

    def __init__(self, message: str, constraint: str | None) -> None:
        super().__init__(message)
        self.constraint = constraint


def domain_error(error: BaseException) -> Exception:
    """Return what the caller is to be told of a database error: a new error each time."""
    if isinstance(error, PoolTimeoutError):
        return OverloadedError("no database connection came free in time")
    origin = error.orig if isinstance(error, DBAPIError) else error
    if is_of_outdated_plan(origin):
        return AbortedError("the schema was changed at the same time: retry", may_run_again=True)
    code = getattr(origin, "sqlstate", None) or ""
    for beginnings, make in _BY_CODE:
        if code.startswith(beginnings):
            return make()
    if _is_of_the_client(origin, code) or (isinstance(error, DBAPIError) and error.connection_invalidated):
        return UnavailableError("the database is unavailable")
    statement = error.statement if isinstance(error, DBAPIError) else " ".join(getattr(error, "__notes__", ()))
    kind, constraint = type(origin).__name__, _violated_constraint(origin)
    message = f"{kind} (SQLSTATE {code or 'none'}, constraint {constraint}) in: {statement}"
    return UnexpectedDatabaseError(message, constraint)


def is_broken_off(error: BaseException) -> bool:
    """Whether a connection broke, so that another one may do what this one did not."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated
    code = getattr(error, "sqlstate", None) or ""
    return code.startswith((_CONNECTION_EXCEPTION, *_SHUTDOWNS)) or _is_of_the_client(error, code)


def is_of_outdated_plan(error: BaseException | None) -> bool:
    """Whether a prepared statement was refused because its columns have got other types since it was prepared."""
    # The code says no more than that something is not supported, and the message is in the server's language.
    return (
        isinstance(error, psycopg.errors.FeatureNotSupported) and error.diag.source_function == "RevalidateCachedQuery"
    )


def _violated_constraint(error: BaseException | None) -> str | None:
    """Return the name of the constraint that an error is about."""
    return error.diag.constraint_name if isinstance(error, psycopg.Error) else None


def _is_of_the_client(origin: BaseException | None, code: str) -> bool:
    # Without a code, an operational error is the client library's: it could not connect, or the connection broke.
    return not code and isinstance(origin, psycopg.OperationalError)
