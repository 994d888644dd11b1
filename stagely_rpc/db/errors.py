"""What PostgreSQL refuses, as domain errors. No SQL, driver text or value of a row gets any further."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
from sqlalchemy.exc import DBAPIError, IntegrityError

from stagely_rpc.errors import (
    AbortedError,
    DeadlineExceededError,
    OverloadedError,
    StagelyError,
    UnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

# Classes and codes of https://www.postgresql.org/docs/current/errcodes-appendix.html
_CONNECTION_EXCEPTION = "08"
_OPERATOR_INTERVENTION = "57P"
_READ_ONLY_TRANSACTION = "25006"
_QUERY_CANCELED = "57014"
_TOO_MANY_CONNECTIONS = "53300"
_LOST_RACES = frozenset({"40001", "40P01", "55P03"})  # serialization_failure, deadlock_detected, lock_not_available


class UnexpectedDatabaseError(Exception):
    """A refusal that no rule expects: a fault of this service.

    It is raised in place of the driver's error, whose text may hold the values of the refused row.
    """


@contextmanager
def constraint(name: str, error: StagelyError) -> Iterator[None]:
    """Raise a domain error in place of the violation of a constraint, as the flush or statement inside runs into it."""
    try:
        yield
    except IntegrityError as violation:
        if _diagnostic(violation) == name:
            raise error from violation
        raise


def domain_error(error: DBAPIError) -> Exception:
    """Return what the caller is to be told of a database error."""
    code = getattr(error.orig, "sqlstate", None) or ""
    if code in _LOST_RACES:
        return AbortedError("a concurrent change got in the way: read again and retry")
    if code == _QUERY_CANCELED:
        return DeadlineExceededError("the database ended a statement that took too long")
    if code == _TOO_MANY_CONNECTIONS:
        return OverloadedError("the database takes no more connections")
    if _is_unavailable(error, code):
        return UnavailableError("the database is unavailable")
    kind, violated = type(error.orig).__name__, _diagnostic(error)
    return UnexpectedDatabaseError(f"{kind} (SQLSTATE {code or 'none'}, constraint {violated}) in: {error.statement}")


def _is_unavailable(error: DBAPIError, code: str) -> bool:
    if error.connection_invalidated or code.startswith((_CONNECTION_EXCEPTION, _OPERATOR_INTERVENTION)):
        return True
    # Without a code, an operational error is the client library's: it could not connect, or the connection broke.
    return code == _READ_ONLY_TRANSACTION or (not code and isinstance(error.orig, psycopg.OperationalError))


def _diagnostic(error: DBAPIError) -> str | None:
    """Return the name of the violated constraint."""
    return error.orig.diag.constraint_name if isinstance(error.orig, psycopg.Error) else None
