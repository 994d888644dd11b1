"""What PostgreSQL refuses, as domain errors. No SQL, driver text or value of a row gets any further."""

from __future__ import annotations

from contextlib import contextmanager
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
    from collections.abc import Iterator

# Classes and codes of https://www.postgresql.org/docs/current/errcodes-appendix.html
_CONNECTION_EXCEPTION = "08"
_OPERATOR_INTERVENTION = "57P"
_SHUTDOWNS = frozenset({"57P01", "57P02"})  # admin_shutdown, crash_shutdown
_READ_ONLY_TRANSACTION = "25006"
_QUERY_CANCELED = "57014"
_TOO_MANY_CONNECTIONS = "53300"
_LOST_RACES = frozenset({"40001", "40P01", "55P03"})  # serialization_failure, deadlock_detected, lock_not_available

DATABASE_ERRORS = (psycopg.Error, DBAPIError, PoolTimeoutError)
"""Whatever comes of asking the database, directly or by way of SQLAlchemy."""


class UnexpectedDatabaseError(Exception):
    """A refusal that no rule expects: a fault of this service.

    It is raised in place of the driver's error, whose text may hold the values of the refused row.
    """


@contextmanager
def domain_errors() -> Iterator[None]:
    """Raise the database's errors as the domain's."""
    try:
        yield
    except DATABASE_ERRORS as error:
        raise domain_error(error) from None


def domain_error(error: BaseException) -> Exception:
    """Return what the caller is to be told of a database error: a new error each time."""
    if isinstance(error, PoolTimeoutError):
        return OverloadedError("no database connection came free in time")
    origin = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(origin, "sqlstate", None) or ""
    if code in _LOST_RACES:
        return AbortedError("a concurrent change got in the way: read again and retry", may_run_again=True)
    if code == _QUERY_CANCELED:
        return DeadlineExceededError("the database ended a statement that took too long")
    if code == _TOO_MANY_CONNECTIONS:
        return OverloadedError("the database takes no more connections")
    if _is_unavailable(origin, code) or (isinstance(error, DBAPIError) and error.connection_invalidated):
        return UnavailableError("the database is unavailable")
    statement = error.statement if isinstance(error, DBAPIError) else " ".join(getattr(error, "__notes__", ()))
    kind, violated = type(origin).__name__, violated_constraint(origin)
    return UnexpectedDatabaseError(f"{kind} (SQLSTATE {code or 'none'}, constraint {violated}) in: {statement}")


def is_broken_off(error: BaseException) -> bool:
    """Whether a connection broke, so that another one may do what this one did not."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated
    code = getattr(error, "sqlstate", None) or ""
    return code.startswith(_CONNECTION_EXCEPTION) or code in _SHUTDOWNS or _is_of_the_client(error, code)


def violated_constraint(error: BaseException | None) -> str | None:
    """Return the name of the constraint that an error is about."""
    return error.diag.constraint_name if isinstance(error, psycopg.Error) else None


def _is_unavailable(origin: BaseException | None, code: str) -> bool:
    if code.startswith((_CONNECTION_EXCEPTION, _OPERATOR_INTERVENTION)) or code == _READ_ONLY_TRANSACTION:
        return True
    return _is_of_the_client(origin, code)


def _is_of_the_client(origin: BaseException | None, code: str) -> bool:
    # Without a code, an operational error is the client library's: it could not connect, or the connection broke.
    return not code and isinstance(origin, psycopg.OperationalError)
