"""The probe of the database, on a connection of its own."""

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
"""Something to look at in a database; it raises UnhealthyError."""

CONNECT_TIMEOUT_SECONDS = 2
"""For each host of the URL; less is not to be had."""

# A session keeps the default that it began with: what is said of the database and its roles holds for the next ones.
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
    """Looks at the database on a connection of its own: a pool in full use is no ill health.

    However long the database hangs, no more than one connection of the probe does. The one that it has is closed with
    the look that hangs. The one that it opens meanwhile is waited for by the looks that follow, for a host may take
    longer than a look before the next host of the URL has its turn.
    """

    def __init__(self, url: str, *checks: DatabaseCheck) -> None:
        """Take what to look at; nothing connects yet.

        Args:
            url: a libpq URL.
            checks: of the database, once it is known to be there, recent enough and to take writes.
        """
        self._url = url
        self._checks = (_version_check, _writable_check, *checks)
        self._connection: Connection | None = None
        self._connecting: asyncio.Task[Connection] | None = None

    async def __call__(self) -> None:
        """Look at the database.

        Raises:
            UnhealthyError: it is away, too old or read-only, or a check says no.
        """
        try:
            await self._look()
        except psycopg.errors.ConnectionTimeout as error:
            reason = f"the database did not answer within {CONNECT_TIMEOUT_SECONDS} s"
            raise UnhealthyError(Cause.DATABASE_SILENT, reason) from error
        except psycopg.Error as error:
            reason = f"the database is out of reach: {why_unreachable(error, self._url)}"
            raise UnhealthyError(Cause.DATABASE_UNREACHABLE, reason) from error

    async def close(self) -> None:
        """Close the probe's connection, and the one that it may be opening."""
        connecting, self._connecting = self._connecting, None
        if connecting is not None:
            connecting.cancel()
            await asyncio.wait({connecting})
            if not _has_failed(connecting):
                self._connection = connecting.result()
        if self._connection is not None:
            await self._connection.close()

    async def _look(self) -> None:
        # What a look fails on, the next one sees on another connection.
        connection, self._connection = self._connection or await self._connected(), None
        try:
            await _ended_with_its_caller(self._check(connection), connection)
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


async def _ended_with_its_caller(work: Awaitable[None], connection: Connection) -> None:
    """Do work on a connection; if the caller is cancelled, hang up, and the work ends at once.

    psycopg, cancelled, would first ask a database that hangs to cancel the statement, over another connection.
    """
    working = asyncio.ensure_future(work)
    try:
        await asyncio.shield(working)
    except asyncio.CancelledError:
        _hang_up(connection)
        with suppress(psycopg.Error, UnhealthyError):
            await working
        raise


def _hang_up(connection: Connection) -> None:
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


async def _version_check(connection: Connection) -> None:
    if reason := why_too_old(connection.info):
        raise UnhealthyError(Cause.DATABASE_TOO_OLD, reason)


async def _writable_check(connection: Connection) -> None:
    if await _value(connection, IS_READ_ONLY):
        raise UnhealthyError(Cause.DATABASE_READ_ONLY, "the database is read-only")


def schema_check(needed: str) -> DatabaseCheck:
    """Return the check that the database's schema is not behind a revision."""

    async def check(connection: Connection) -> None:
        try:
            found = await _value(connection, "SELECT version_num FROM alembic_version")
        except psycopg.errors.UndefinedTable:
            found = None
        check_revision(found, needed)

    return check


def check_revision(found: str | None, needed: str) -> None:
    """Check that the schema is not behind; one that is ahead serves too, or no release could be rolled out.

    Raises:
        UnhealthyError: it is behind; the message names both revisions.
    """
    if found is None or found < needed:
        state = f"is at revision {found}" if found else "is missing"
        raise UnhealthyError(
            Cause.SCHEMA_BEHIND,
            f"the database's schema {state}, this version needs revision {needed}: run `stagely-rpc migrate up`",
        )


async def _value(connection: Connection, query: str) -> Any:  # noqa: ANN401 - whatever the query is for
    row = await (await connection.execute(query.encode())).fetchone()
    return row[0] if row else None
