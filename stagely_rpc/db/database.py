"""The database. Calls use `read` and `write`; background jobs use `write(actor=…)` and `system_transaction`."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from stagely_rpc.call import Call, current_call
from stagely_rpc.db.batching.batches import Batches
from stagely_rpc.db.driver.observer import NULL_OBSERVER
from stagely_rpc.db.driver.pipeline import BEGIN
from stagely_rpc.db.driver.pool import ConnectionPool
from stagely_rpc.db.session import Executor, ReadSession
from stagely_rpc.db.write_session import WriteSession

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import Executable, Result

    from stagely_rpc.db.batching.point_read import PointRead
    from stagely_rpc.db.driver.lease import Lease
    from stagely_rpc.db.driver.observer import Observer
    from stagely_rpc.db.driver.pool import PoolLimits
    from stagely_rpc.db.driver.pool_state import PoolState
    from stagely_rpc.db.idempotency import IdempotencyStore
    from stagely_rpc.db.session import Parameters
    from stagely_rpc.db.sql.statement import Query
    from stagely_rpc.db.write_session import Wake

RowT = TypeVar("RowT")


class Database:
    """A PostgreSQL database."""

    def __init__(
        self,
        url: str,
        limits: PoolLimits,
        store: IdempotencyStore,
        observer: Observer = NULL_OBSERVER,
        wake: Wake = lambda _: None,
    ) -> None:
        """Create the pool. Nothing connects yet.

        Args:
            url: a libpq URL (`postgresql://` or `postgres://`) with any of libpq's parameters. libpq itself reads it.
            limits: the limits of the pool.
            store: stores the responses of requests with a `request_id`.
            observer: observes round trips and connections.
            wake: notifies the listeners of topics. Called after the COMMIT of a write that called `session.wake`.
        """
        self._store = store
        self._wake = wake
        self._pool = ConnectionPool(url, limits, observer)
        self._batches = Batches(partial(self._pool.exchange, "batch"), observer)

    async def start(self) -> None:
        """Connect.

        Raises:
            UnavailableError: the database can't be reached.
        """
        await self._pool.start()

    async def close(self) -> None:
        """Close every connection."""
        await self._batches.close()
        await self._pool.close()

    def connections(self) -> PoolState:
        """Return the state of the pool."""
        return self._pool.state()

    def replace_connections(self) -> None:
        """Mark every existing connection, so that it is replaced at its next use."""
        self._pool.replace_connections()

    def stalled_seconds(self) -> float:
        """Return for how many seconds calls have waited without any connection being released."""
        return self._pool.stalled_seconds

    def read(self) -> ReadSession:
        """Return the session of a call that does not write: a context manager."""
        return ReadSession(self._pool, self._batches, current_call.get())

    def write(self, *, actor: str | None = None) -> WriteSession:
        """Return the session of a call that writes: a context manager that commits at its end.

        The change, its audit entries and the stored response for retries commit together.

        Args:
            actor: the name of a background job, such as `reaper`, if no call writes. Its audit entries have
                `service:stagely-rpc/<actor>` as the acting service. `record` must be given their actions.
        """
        call = current_call.get() if actor is None else Call.of_job(actor)
        return WriteSession(self._pool, self._store, self._wake, call)

    async def fetch(self, point: PointRead[RowT], *key: object) -> RowT | None:
        """Return the row with a key, or None, through the batches of all calls. For code outside a session.

        Raises:
            StagelyError: the database refused the statement or is unavailable.
        """
        return await self._batches.do(point, key)

    async def ask(self, *queries: Query[Any]) -> list[Any]:
        """Send queries of a background job in one round trip, as one transaction, and return their results.

        Raises:
            StagelyError: the database refused the statement or is unavailable.
        """
        return await self._pool.exchange("maintain", *queries)

    @asynccontextmanager
    async def system_transaction(self) -> AsyncIterator[Executor]:
        """Yield a READ COMMITTED transaction for a background job. It writes no audit entries.

        Raises:
            StagelyError: the database refused the statement or is unavailable.
        """
        async with await self._pool.lease() as lease:
            await lease.run("maintain", [BEGIN])
            yield _SystemTransaction(lease)
            await lease.run("maintain", [b"COMMIT"])


class _SystemTransaction(Executor):
    def __init__(self, lease: Lease) -> None:
        self._lease = lease

    async def execute(self, statement: Executable, parameters: Parameters | None = None, /) -> Result[*tuple[Any, ...]]:
        return await self._lease.execute("maintain", statement, parameters)
