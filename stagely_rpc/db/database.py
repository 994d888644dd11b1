"""The database, and the ways in: `read` and `write` for calls, `write` and `system_transaction` for background jobs."""

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
    """One PostgreSQL database, as the servicers use it."""

    def __init__(
        self,
        url: str,
        limits: PoolLimits,
        store: IdempotencyStore,
        observer: Observer = NULL_OBSERVER,
        wake: Wake = lambda _: None,
    ) -> None:
        """Prepare the pool; nothing connects yet.

        Args:
            url: a libpq URL (`postgresql://` or `postgres://`) with any of libpq's parameters. libpq itself reads it.
            limits: of the pool.
            store: keeps the answers of requests with a `request_id`.
            observer: sees each exchange with the database, and each connection.
            wake: wakes who waits for topics, after the COMMIT of a write that named them.
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
        """Return how the pool is at this moment."""
        return self._pool.state()

    def renew(self) -> None:
        """Have every connection that exists now replaced at its next use."""
        self._pool.renew()

    def stalled_seconds(self) -> float:
        """Return for how long a call has wanted a connection while all were in use and none was given back."""
        return self._pool.stalled_seconds

    def read(self) -> ReadSession:
        """Return the session of a call that changes nothing: a context manager."""
        return ReadSession(self._pool, self._batches, current_call.get())

    def write(self, *, actor: str | None = None) -> WriteSession:
        """Return the session of a call that changes something: a context manager, whose end commits.

        This is the one place for what is atomic with every change: its audit entries, and the answer that a repetition
        of the request gets.

        Args:
            actor: the background job that writes, as `reaper`, where no call does. Its entries in the audit trail name
                `service:stagely-rpc/<actor>` as the acting service, and each says its own action.
        """
        call = current_call.get() if actor is None else Call.of_job(actor)
        return WriteSession(self._pool, self._store, self._wake, call)

    async def fetch(self, point: PointRead[RowT], *key: object) -> RowT | None:
        """Return the row with a key, or None, by a statement that calls share: for what is not a call's own work.

        Raises:
            StagelyError: the database refused, or can't be asked.
        """
        return await self._batches.do(point, key)

    async def ask(self, *queries: Query[Any]) -> list[Any]:
        """Send queries together, as one transaction, for the service's own work, and return their results.

        Raises:
            StagelyError: the database refused, or can't be asked.
        """
        return await self._pool.exchange("maintain", *queries)

    @asynccontextmanager
    async def system_transaction(self) -> AsyncIterator[Executor]:
        """Give a READ COMMITTED transaction for the service's own work, of which no audit entry is made.

        Raises:
            StagelyError: the database refused, or can't be asked.
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
