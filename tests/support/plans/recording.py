"""Runs cases on the database, and records the statements that they send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import psycopg

from stagely_rpc.db.driver.pipeline import BEGIN
from stagely_rpc.db.session import Executor
from stagely_rpc.db.sql.statement import Query
from tests.support.plans.explaining import SentStatement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Executable, Result

    from stagely_rpc.db.driver.lease import Lease
    from stagely_rpc.db.driver.pool import ConnectionPool
    from tests.support.plans.cases import Case
    from tests.support.plans.world import Keys


class RecordingSession(Executor):
    """A session for cases. It executes statements and records queries."""

    def __init__(self, pool: ConnectionPool, lease: Lease, recorded: list[SentStatement]) -> None:
        self._pool = pool
        self._lease = lease
        self._recorded = recorded

    async def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None, /
    ) -> Result[*tuple[Any, ...]]:
        return await self._lease.execute("read", statement, parameters)

    async def ask(self, *queries: Query[Any]) -> list[Any]:
        self._recorded += map(SentStatement.of_query, queries)
        return await self._pool.exchange("read", *queries)


async def statements_of(pool: ConnectionPool, case: Case, keys: Keys) -> list[SentStatement]:
    """Run a case, and return its statements. Its changes are rolled back."""
    recorded: list[SentStatement] = []
    execute = psycopg.AsyncCursor.execute

    async def record(cursor: Any, query: Any, params: Any = None, **options: Any) -> Any:
        # Skip the background jobs of other servers, which use other databases.
        if cursor.connection.info.dbname == database:
            recorded.append(SentStatement.of_driver(query, params))
        return await execute(cursor, query, params, **options)

    # Open both connections first, because a new connection sends statements of its own.
    async with await pool.lease() as lease:
        async with await pool.lease():
            pass
        database = lease._driver.info.dbname
        await lease.run("read", [BEGIN])
        with patch.object(psycopg.AsyncCursor, "execute", record):
            result = case(RecordingSession(pool, lease, recorded), keys)
            if isinstance(result, Query):
                return [SentStatement.of_query(result)]
            await result
    return recorded
