"""Runs cases for real, and notes what PostgreSQL was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from unittest.mock import patch

import psycopg
from sqlalchemy.ext.asyncio import AsyncSession

from stagely_rpc.db.driver.lease import Lease
from stagely_rpc.db.sql.statement import Query
from tests.support.plans.explaining import Asked

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from tests.support.plans.cases import Case
    from tests.support.plans.world import Keys


class Asker(AsyncSession):
    """Asks as each kind of session does, and notes the queries."""

    def __init__(self, engine: AsyncEngine, noted: list[Asked]) -> None:
        super().__init__(engine)
        self._engine = engine
        self._noted = noted

    async def ask(self, *queries: Query[Any]) -> list[Any]:
        self._noted += map(Asked.of_query, queries)
        async with await Lease.take(self._engine) as lease:
            return await lease.run(queries)


async def asked_by(engine: AsyncEngine, case: Case, keys: Keys) -> list[Asked]:
    """Return the statements of a case; what they did is undone."""
    noted: list[Asked] = []
    execute = psycopg.AsyncCursor.execute

    async def note(cursor: Any, query: Any, params: Any = None, **options: Any) -> Any:
        # Servers of other tests have work of their own, in databases of their own.
        if cursor.connection.info.dbname == database:
            noted.append(Asked.of_driver(query, params))
        return await execute(cursor, query, params, **options)

    async with Asker(engine, noted) as session:
        # A new connection asks questions of its own: both that may be used are there before anything is noted.
        connection = await (await session.connection()).get_raw_connection()
        async with await Lease.take(engine):
            pass
        database = cast("psycopg.AsyncConnection", connection.driver_connection).info.dbname
        with patch.object(psycopg.AsyncCursor, "execute", note):
            result = case(session, keys)
            if isinstance(result, Query):
                return [Asked.of_query(result)]
            await result
        await session.rollback()
    return noted
