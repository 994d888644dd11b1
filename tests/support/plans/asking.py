"""Runs cases for real, and notes what PostgreSQL was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import psycopg

from stagely_rpc.db.driver.pipeline import BEGIN
from stagely_rpc.db.session import Executor
from stagely_rpc.db.sql.statement import Query
from tests.support.plans.explaining import Asked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Executable, Result

    from stagely_rpc.db.driver.lease import Lease
    from stagely_rpc.db.driver.pool import ConnectionPool
    from tests.support.plans.cases import Case
    from tests.support.plans.world import Keys


class Asker(Executor):
    """Asks as each kind of session does, and notes the queries."""

    def __init__(self, pool: ConnectionPool, lease: Lease, noted: list[Asked]) -> None:
        self._pool = pool
        self._lease = lease
        self._noted = noted

    async def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None, /
    ) -> Result[*tuple[Any, ...]]:
        return await self._lease.execute("read", statement, parameters)

    async def ask(self, *queries: Query[Any]) -> list[Any]:
        self._noted += map(Asked.of_query, queries)
        return await self._pool.exchange("read", *queries)


async def asked_by(pool: ConnectionPool, case: Case, keys: Keys) -> list[Asked]:
    """Return the statements of a case; what they did is undone."""
    noted: list[Asked] = []
    execute = psycopg.AsyncCursor.execute

    async def note(cursor: Any, query: Any, params: Any = None, **options: Any) -> Any:
        # Servers of other tests have work of their own, in databases of their own.
        if cursor.connection.info.dbname == database:
            noted.append(Asked.of_driver(query, params))
        return await execute(cursor, query, params, **options)

    # A new connection asks questions of its own: both that may be used are there before anything is noted.
    async with await pool.lease() as lease:
        async with await pool.lease():
            pass
        database = lease._driver.info.dbname
        await lease.run("read", [BEGIN])
        with patch.object(psycopg.AsyncCursor, "execute", note):
            result = case(Asker(pool, lease, noted), keys)
            if isinstance(result, Query):
                return [Asked.of_query(result)]
            await result
    return noted
