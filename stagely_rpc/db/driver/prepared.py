"""Prepared statements, and the poolers that forget them.

PgBouncer in transaction mode gives each transaction any of its sessions of PostgreSQL. A statement that was prepared in
one session is unknown in the next, unless the pooler prepares it there too (PgBouncer 1.21 and newer, with
`max_prepared_statements`), or the name is known and belongs to another client's statement. Names that are made of the
statements' texts (`pipeline.name_of`) make the latter harmless.

PostgreSQL refuses a prepared statement whose columns have changed their types. A pooler that keeps prepared statements
lends the same one to each client that prepares the same text, for hours. So each statement is then prepared with
another text: another generation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import structlog

from stagely_rpc.db.driver.pipeline import Prepared

if TYPE_CHECKING:
    from collections.abc import MutableMapping

FORGOTTEN = (psycopg.errors.InvalidSqlStatementName, psycopg.errors.DuplicatePreparedStatement)
"""What PostgreSQL says when a transaction got another session than the one in which a statement was prepared."""

_PREPARED = "prepared statements"

_log = structlog.get_logger(__name__)


class PreparedStatements:
    """Whether statements are prepared on the connections of a pool, and which generation of them is current."""

    def __init__(self, *, wanted: bool | None) -> None:
        """Take whether to prepare statements; None: yes, except behind a pooler."""
        self._wanted = wanted
        self._generation = 0

    async def set_up(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Keep psycopg itself from preparing statements on a new connection where that would do harm.

        It numbers its names, and behind a pooler the same number may be another client's statement.

        Raises:
            psycopg.Error: the database can't be asked.
        """
        if self._wanted is False or await _is_pooled(connection):
            connection.prepare_threshold = None

    def on(self, connection: psycopg.AsyncConnection[Any], info: MutableMapping[Any, Any]) -> Prepared | None:
        """Return what is prepared on a connection; None where nothing is to be prepared.

        Args:
            connection: one that was set up.
            info: what is kept with the connection for as long as it is open.
        """
        is_wanted = connection.prepare_threshold is not None if self._wanted is None else self._wanted
        if not is_wanted:
            return None
        prepared: Prepared | None = info.get(_PREPARED)
        if prepared is None or prepared.generation != self._generation:
            prepared = info[_PREPARED] = Prepared(self._generation)
        return prepared

    def outdate(self, prepared: Prepared | None) -> None:
        """Begin a new generation on every connection, unless one began since this was prepared."""
        if prepared is not None and prepared.generation == self._generation:
            self._generation += 1
            _log.info("column types changed: statements are prepared again")

    def give_up(self) -> None:
        """Prepare nothing from now on: what was prepared is forgotten."""
        if self._wanted is not False:
            _log.error("a pooler forgets prepared statements: set DATABASE_PREPARED_STATEMENTS=false")
        self._wanted = False


async def _is_pooled(connection: psycopg.AsyncConnection[Any]) -> bool:
    """Tell whether there is a pooler: the process that it names for a CancelRequest is not PostgreSQL's."""
    cursor = await connection.execute("SELECT pg_backend_pid()", prepare=False)
    return await cursor.fetchone() != (connection.info.backend_pid,)
