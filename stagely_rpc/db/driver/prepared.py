"""Prepared statements, and the poolers that forget them.

PgBouncer in transaction mode gives each transaction any of its sessions of PostgreSQL. What was prepared in one is not
known in the next, unless the pooler sees to that (PgBouncer from 1.21 on, with `max_prepared_statements`), or it is
known, and another client's. Names made of the statements' texts (`pipeline.name_of`) make the latter harmless.

PostgreSQL refuses a prepared statement whose columns have got other types since. A pooler that keeps statements lends
the same one to whoever prepares the same text, for hours: each is then prepared anew with another text, as another
edition.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import structlog

from stagely_rpc.db.driver.pipeline import Prepared

if TYPE_CHECKING:
    from collections.abc import MutableMapping

FORGOTTEN = (psycopg.errors.InvalidSqlStatementName, psycopg.errors.DuplicatePreparedStatement)
"""What PostgreSQL says when it is another session than the one in which a statement was, or was not, prepared."""

_PREPARED = "prepared statements"

_log = structlog.get_logger(__name__)


class Preparing:
    """Whether statements are prepared on the connections of a pool."""

    def __init__(self, *, wanted: bool | None) -> None:
        """Take whether they are to be prepared; None leaves it to whether a pooler is in between."""
        self._wanted = wanted
        self._edition = 0

    async def set_up(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Have psycopg itself prepare nothing on a new connection on which that would do harm.

        It counts its names, and through a pooler, the same number may be another client's statement.

        Raises:
            psycopg.Error: the database can't be asked.
        """
        if self._wanted is False or await _is_pooled(connection):
            connection.prepare_threshold = None

    def prepared_on(self, connection: psycopg.AsyncConnection[Any], kept: MutableMapping[Any, Any]) -> Prepared | None:
        """Return what is prepared on a connection; None where nothing is to be.

        Args:
            connection: one that was set up.
            kept: what is kept with the connection, for as long as it is open.
        """
        is_wanted = connection.prepare_threshold is not None if self._wanted is None else self._wanted
        if not is_wanted:
            return None
        prepared: Prepared | None = kept.get(_PREPARED)
        if prepared is None or prepared.edition != self._edition:
            prepared = kept[_PREPARED] = Prepared(self._edition)
        return prepared

    def outdate(self, prepared: Prepared | None) -> None:
        """Prepare everything anew, on every connection, if that was not done since this was prepared."""
        if prepared is not None and prepared.edition == self._edition:
            self._edition += 1
            _log.info("the types of columns have changed: statements are prepared anew")

    def give_up(self) -> None:
        """Prepare nothing from now on: what was prepared is forgotten."""
        if self._wanted is not False:
            _log.error("a pooler forgets prepared statements: set DATABASE_PREPARED_STATEMENTS=false")
        self._wanted = False


async def _is_pooled(connection: psycopg.AsyncConnection[Any]) -> bool:
    """Tell whether a pooler is in between: the process that it names for a CancelRequest is none of PostgreSQL's."""
    cursor = await connection.execute("SELECT pg_backend_pid()", prepare=False)
    return await cursor.fetchone() != (connection.info.backend_pid,)
