"""Searches for leaked secrets. A test in which a secret of the suite appears fails.

It searches the output and the captured logs of each test, the output of processes, each status that a server of the
suite sends with the exceptions behind it, and each database before it is dropped.
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
# Other sessions may hold locks, and would be terminated anyway.
_END_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
"""


class Hunt:
    """The leaks found since the last call of `taken`."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def search(self, place: str, content: str | bytes) -> None:
        """Search the content of a place."""
        self._found += [f"{place}: {form}" for form in forms_in(content)]

    def search_database(self, url: str) -> None:
        """Search all rows of a database, as PostgreSQL stores their values."""
        with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
            connection.execute(_END_OTHERS)
            for schema, name in connection.execute(_TABLES).fetchall():
                copy_all = sql.SQL("COPY {} TO STDOUT (FORMAT binary)").format(sql.Identifier(schema, name))
                with connection.cursor().copy(copy_all) as rows:
                    self.search(f"table {schema}.{name}", b"".join(rows))

    def take(self) -> list[str]:
        """Return the leaks once, and clear them."""
        found, self._found = self._found, []
        return list(dict.fromkeys(found))


HUNT = Hunt()


class SearchingInterceptor(WrappingInterceptor):
    """Searches the status and the trailing metadata of each call, outside all other interceptors."""

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
    """Yield the texts of an exception and its causes, without source lines."""
    behind: BaseException | None = error
    while behind is not None:
        yield from traceback.format_exception_only(behind)
        yield repr(behind)
        behind = behind.__cause__ or (None if behind.__suppress_context__ else behind.__context__)


class _SearchedCapture(structlog.testing.LogCapture):
    """Captures log entries for a test, which are not written to a stream."""

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
    """Fail the test in which a secret leaked."""
    report = yield
    judge(report, HUNT)
    return report


def judge(report: pytest.TestReport, hunt: Hunt) -> None:
    """Search the output of a phase of a test, and fail the test if a secret was found."""
    for name, content in report.sections:
        if name.endswith(report.when):
            hunt.search(name, content)
    if not (found := hunt.take()):
        return
    told = "\n".join(["secrets leaked:", *(f"  {leak}" for leak in found)])
    if report.failed:
        report.sections.append(("leaks", told))
    else:
        report.outcome, report.longrepr = "failed", told
