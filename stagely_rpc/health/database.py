"""The database probe, on its own connection."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import psycopg

from stagely_rpc.db.driver.failures import why_unreachable
from stagely_rpc.db.schema.versions import why_too_old
from stagely_rpc.health.causes import Cause, UnhealthyError

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
DatabaseCheck = Callable[[Connection], Awaitable[None]]
"""A check of the database. It raises UnhealthyError."""

CONNECT_TIMEOUT_SECONDS = 2
"""The timeout for each host of the URL, and the shortest that the driver allows."""

# A session keeps the default that it started with. Settings of the database and its roles apply to later sessions.
IS_READ_ONLY = r"""
    SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool OR coalesce((
        SELECT split_part(setting, '=', 2)::bool FROM pg_db_role_setting, unnest(setconfig) AS setting
        WHERE setting LIKE 'default\_transaction\_read\_only=%'
          AND setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = session_user))
          AND setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
        ORDER BY setrole = 0, setdatabase = 0 LIMIT 1
    ), false)
"""


class DatabaseProbe:
    """Checks the database on its own connection, because a fully used pool is healthy.

    If the database hangs, at most one connection of the probe hangs. A check that hangs closes its connection. Later
    checks wait for the connection that is being opened, because one host of the URL may take longer than a check
    before the next host is tried.
    """

    def __init__(self, url: str, *checks: DatabaseCheck) -> None:
        """Take the URL and the checks; this does not connect.

        Args:
            url: a libpq URL.
            checks: run after the checks that the database is recent enough and writable.
        """
        self._url = url
        self._checks = (_version_check, _writable_check, *checks)
        self._connection: Connection | None = None
        self._connecting: asyncio.Task[Connection] | None = None

    async def __call__(self) -> None:
        """Check the database.

        Raises:
            UnhealthyError: it is unreachable, too old or read-only, or a check failed.
        """
        try:
            await self._probe()
        except psycopg.errors.ConnectionTimeout as error:
            reason = f"the database did not answer within {CONNECT_TIMEOUT_SECONDS} s"
            raise UnhealthyError(Cause.DATABASE_SILENT, reason) from error
        except psycopg.Error as error:
            reason = f"the database is unreachable: {why_unreachable(error, self._url)}"
            raise UnhealthyError(Cause.DATABASE_UNREACHABLE, reason) from error

    async def close(self) -> None:
        """Close the probe's connection, and any connection that it is opening."""
        connecting, self._connecting = self._connecting, None
        if connecting is not None:
            connecting.cancel()
            await asyncio.wait({connecting})
            if not _has_failed(connecting):
                self._connection = connecting.result()
        if self._connection is not None:
            await self._connection.close()

    async def _probe(self) -> None:
        # A failed check drops its connection; the next check opens another one.
        connection, self._connection = self._connection or await self._connected(), None
        try:
            await _end_with_caller(self._check(connection), connection)
        except BaseException:
            await connection.close()
            raise
        self._connection = connection

    async def _connected(self) -> Connection:
        if self._connecting is None or _has_failed(self._connecting):
            connecting = psycopg.AsyncConnection.connect(
                self._url,
                autocommit=True,
                prepare_threshold=None,
                application_name="stagely-rpc health",
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
            )
            self._connecting = asyncio.create_task(connecting, name="health connection")
        connection = await asyncio.shield(self._connecting)
        self._connecting = None
        return connection

    async def _check(self, connection: Connection) -> None:
        for check in self._checks:
            await check(connection)


def _has_failed(task: asyncio.Task[Connection]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


async def _end_with_caller(work: Awaitable[None], connection: Connection) -> None:
    """Await work on a connection. If the caller is cancelled, shut down the socket, so that the work ends at once.

    On cancellation, psycopg would first send a cancel request over another connection. A hung database does not
    respond to it.
    """
    working = asyncio.ensure_future(work)
    try:
        await asyncio.shield(working)
    except asyncio.CancelledError:
        _shut_down(connection)
        with suppress(psycopg.Error, UnhealthyError):
            await working
        raise


def _shut_down(connection: Connection) -> None:
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as duplicate:
        duplicate.shutdown(socket.SHUT_RDWR)


async def _version_check(connection: Connection) -> None:
    if reason := why_too_old(connection.info):
        raise UnhealthyError(Cause.DATABASE_TOO_OLD, reason)


async def _writable_check(connection: Connection) -> None:
    if await _value(connection, IS_READ_ONLY):
        raise UnhealthyError(Cause.DATABASE_READ_ONLY, "the database is read-only")


def schema_check(needed: str) -> DatabaseCheck:
    """Return the check that the schema is at a revision or a later one."""

    async def check(connection: Connection) -> None:
        try:
            found = await _value(connection, "SELECT version_num FROM alembic_version")
        except psycopg.errors.UndefinedTable:
            found = None
        check_revision(found, needed)

    return check


def check_revision(found: str | None, needed: str) -> None:
    """Check that the schema is not behind. A newer schema passes; otherwise no release could be rolled out.

    Raises:
        UnhealthyError: it is behind; the message names both revisions.
    """
    if found is None or found < needed:
        state = f"is at revision {found}" if found else "is missing"
        raise UnhealthyError(
            Cause.SCHEMA_BEHIND,
            f"the database's schema {state}, this version needs revision {needed}: run `stagely-rpc migrate up`",
        )


async def _value(connection: Connection, query: str) -> Any:  # noqa: ANN401 - the type depends on the query
    row = await (await connection.execute(query.encode())).fetchone()
    return row[0] if row else None
