"""Prepared statements, also behind poolers.

PgBouncer in transaction mode can run each transaction in a different PostgreSQL session. A statement that was prepared
in one session is unknown in the next, unless the pooler prepares it there too (PgBouncer 1.21 or newer with
`max_prepared_statements`). A name can also belong to another client's statement. This is harmless, because names are
derived from the statements' texts (`pipeline.name_of`).

PostgreSQL refuses a prepared statement after the types of its columns have changed. A pooler can keep such a statement
for hours, and gives it to every client that prepares the same text. So the next generation prepares a different text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import structlog

from stagely_rpc.db.driver.pipeline import Prepared

if TYPE_CHECKING:
    from collections.abc import MutableMapping

LOST_STATEMENT_ERRORS = (psycopg.errors.InvalidSqlStatementName, psycopg.errors.DuplicatePreparedStatement)
"""PostgreSQL's errors for a statement that was prepared in another session."""

_PREPARED = "prepared statements"

_log = structlog.get_logger(__name__)


class PreparedStatements:
    """Decides whether the connections of a pool prepare statements, and counts their generations."""

    def __init__(self, *, wanted: bool | None) -> None:
        """Take whether to prepare statements; None: yes, except behind a pooler."""
        self._wanted = wanted
        self._generation = 0

    async def set_up(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Disable psycopg's own prepared statements on a new connection, behind a pooler or if they are not wanted.

        psycopg numbers its statements, and behind a pooler the same number can be another client's statement.

        Raises:
            psycopg.Error: the connection failed.
        """
        if self._wanted is False or await _is_pooled(connection):
            connection.prepare_threshold = None

    def on(self, connection: psycopg.AsyncConnection[Any], info: MutableMapping[Any, Any]) -> Prepared | None:
        """Return the prepared statements of a connection; None if nothing is prepared.

        Args:
            connection: a connection after `set_up`.
            info: the dictionary that lives as long as the connection.
        """
        is_wanted = connection.prepare_threshold is not None if self._wanted is None else self._wanted
        if not is_wanted:
            return None
        prepared: Prepared | None = info.get(_PREPARED)
        if prepared is None or prepared.generation != self._generation:
            prepared = info[_PREPARED] = Prepared(self._generation)
        return prepared

    def start_generation(self, prepared: Prepared | None) -> None:
        """Start a new generation on all connections, unless a newer one has started."""
        if prepared is not None and prepared.generation == self._generation:
            self._generation += 1
            _log.info("column types changed: preparing all statements again")

    def disable(self) -> None:
        """Stop preparing statements, because a pooler loses them."""
        if self._wanted is not False:
            _log.error("a pooler loses prepared statements: set DATABASE_PREPARED_STATEMENTS=false")
        self._wanted = False


async def _is_pooled(connection: psycopg.AsyncConnection[Any]) -> bool:
    """Return whether a pooler is in between: its process id for CancelRequest is not PostgreSQL's."""
    cursor = await connection.execute("SELECT pg_backend_pid()", prepare=False)
    return await cursor.fetchone() != (connection.info.backend_pid,)
