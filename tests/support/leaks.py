"""The leak hunt: wherever the suite's secrets could come out, they are looked for, and a test that lets one out fails.

Looked at are: what each test has written, to its streams or to captured logs; what processes have written; each status
that a server of the suite sends, and the exceptions behind it; each database, when it is dropped.
"""

from __future__ import annotations

import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import psycopg
import pytest
import structlog
from psycopg import sql

from stagely_rpc.interceptors.wrapping import WrappingInterceptor, behavior_of, with_behavior
from tests.support.secret_markers import forms_in

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import grpc
    from structlog.typing import EventDict, WrappedLogger

    from stagely_rpc.wire.context import Context

_TABLES = """
    SELECT nspname, relname FROM pg_class JOIN pg_namespace ON relnamespace = pg_namespace.oid
    WHERE relkind = 'r' AND nspname NOT IN ('pg_catalog', 'information_schema') AND pg_relation_size(pg_class.oid) > 0
"""
# Whoever is still connected may hold locks, and is about to be thrown out anyway.
_END_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
"""


class Hunt:
    """What was found since somebody last asked."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def search(self, place: str, content: str | bytes) -> None:
        """Look for secrets in what was found in a place."""
        self._found += [f"{place}: {form}" for form in forms_in(content)]

    def search_database(self, url: str) -> None:
        """Look for secrets in all rows of a database, as PostgreSQL stores their values."""
        with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
            connection.execute(_END_OTHERS)
            for schema, name in connection.execute(_TABLES).fetchall():
                copy_all = sql.SQL("COPY {} TO STDOUT (FORMAT binary)").format(sql.Identifier(schema, name))
                with connection.cursor().copy(copy_all) as rows:
                    self.search(f"table {schema}.{name}", b"".join(rows))

    def take(self) -> list[str]:
        """Return what was found, once each, and forget it."""
        found, self._found = self._found, []
        return list(dict.fromkeys(found))


HUNT = Hunt()


class SearchingInterceptor(WrappingInterceptor):
    """Looks, from outside of every other interceptor, at what a call is answered besides its response."""

    def wrap(self, method: str, handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
        behavior = behavior_of(handler)

        async def serve(request: object, context: Context) -> object:
            with _searched(method, context):
                return await behavior(request, context)

        return with_behavior(handler, serve)


@contextmanager
def _searched(method: str, context: Context) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        HUNT.search(f"exception in {method}", "\n".join(_texts_of(error)))
        raise
    finally:
        HUNT.search(f"message of {method}", context.details() or "")
        for name, value in context.trailing_metadata() or ():
            HUNT.search(f"trailing metadata {name} of {method}", value)


def _texts_of(error: BaseException) -> Iterator[str]:
    """Yield all that could be written of an exception and of those behind it, but for the lines of code they passed."""
    behind: BaseException | None = error
    while behind is not None:
        yield from traceback.format_exception_only(behind)
        yield repr(behind)
        behind = behind.__cause__ or (None if behind.__suppress_context__ else behind.__context__)


class _SearchedCapture(structlog.testing.LogCapture):
    """Captures log entries for a test: those don't get to any stream."""

    def __call__(self, logger: WrappedLogger, method_name: str, event_dict: EventDict) -> NoReturn:
        HUNT.search("captured log", repr(event_dict))
        if event_dict.get("exc_info"):
            HUNT.search("exception in a captured log", traceback.format_exc())
        super().__call__(logger, method_name, event_dict)


def pytest_configure() -> None:
    """Have captured logs searched."""
    structlog.testing.LogCapture = _SearchedCapture  # type: ignore[misc]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail the test in which a secret came out."""
    report = yield
    judge(report, HUNT)
    return report


def judge(report: pytest.TestReport, hunt: Hunt) -> None:
    """Search what a test has written in one of its phases, and fail it for all that was found by then."""
    for name, content in report.sections:
        if name.endswith(report.when):
            hunt.search(name, content)
    if not (found := hunt.take()):
        return
    told = "\n".join(["secrets came out:", *(f"  {leak}" for leak in found)])
    if report.failed:
        report.sections.append(("leaks", told))
    else:
        report.outcome, report.longrepr = "failed", told
