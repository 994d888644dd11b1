"""The leak hunt: searches for the suite's secrets wherever they could leak, and fails the tests that leak one.

It searches the output and captured logs of each test, the output of processes, each status that a server of the suite
sends, the exceptions behind the status, and each database before it is dropped.
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
# Other sessions may hold locks. Ending them does no harm, because the database is dropped next.
_END_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
"""


class Hunt:
    """Searches for secrets, and keeps what it found until `take`."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def search(self, place: str, content: str | bytes) -> None:
        """Search content for secrets. `place` describes where it was found."""
        self._found += [f"{place}: {form}" for form in forms_in(content)]

    def search_database(self, url: str) -> None:
        """Search all rows of a database for secrets, in PostgreSQL's binary format."""
        with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
            connection.execute(_END_OTHERS)
            for schema, name in connection.execute(_TABLES).fetchall():
                copy_all = sql.SQL("COPY {} TO STDOUT (FORMAT binary)").format(sql.Identifier(schema, name))
                with connection.cursor().copy(copy_all) as rows:
                    self.search(f"table {schema}.{name}", b"".join(rows))

    def take(self) -> list[str]:
        """Return what was found, without duplicates, and forget it."""
        found, self._found = self._found, []
        return list(dict.fromkeys(found))


HUNT = Hunt()


class SearchingInterceptor(WrappingInterceptor):
    """Searches the status and the trailing metadata of each call. It is outside all other interceptors."""

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
    """Yield the texts of an exception and its causes, without the source lines of the traceback."""
    current: BaseException | None = error
    while current is not None:
        yield from traceback.format_exception_only(current)
        yield repr(current)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)


class _SearchedCapture(structlog.testing.LogCapture):
    """Searches the log entries that a test captures, because they are not written to any stream."""

    def __call__(self, logger: WrappedLogger, method_name: str, event_dict: EventDict) -> NoReturn:
        HUNT.search("captured log", repr(event_dict))
        if event_dict.get("exc_info"):
            HUNT.search("exception in a captured log", traceback.format_exc())
        super().__call__(logger, method_name, event_dict)


def pytest_configure() -> None:
    """Search captured logs."""
    structlog.testing.LogCapture = _SearchedCapture  # type: ignore[misc]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that leaked a secret."""
    report = yield
    judge(report, HUNT)
    return report


def judge(report: pytest.TestReport, hunt: Hunt) -> None:
    """Search the output of a test in one of its phases. Fail the test if anything was found."""
    for name, content in report.sections:
        if name.endswith(report.when):
            hunt.search(name, content)
    if not (found := hunt.take()):
        return
    message = "\n".join(["secrets leaked:", *(f"  {leak}" for leak in found)])
    if report.failed:
        report.sections.append(("leaks", message))
    else:
        report.outcome, report.longrepr = "failed", message
