"""The session of calls and background jobs that write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

import structlog
from sqlalchemy import func, select

from stagely_rpc.db import audit_entries
from stagely_rpc.db.audit_entries import changes_between
from stagely_rpc.db.driver.pipeline import BEGIN
from stagely_rpc.db.errors import UnexpectedDatabaseError
from stagely_rpc.db.idempotency import AlreadyAnsweredError
from stagely_rpc.db.models.rows import ProjectRow
from stagely_rpc.db.session import Session
from stagely_rpc.db.sql import rows
from stagely_rpc.db.sql.rows import Row
from stagely_rpc.db.sql.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime
    from types import TracebackType

    from sqlalchemy import Executable, Result

    from stagely_rpc.call import Call
    from stagely_rpc.db.audit_entries import Entry
    from stagely_rpc.db.batching.point_read import PointRead
    from stagely_rpc.db.driver.lease import Lease
    from stagely_rpc.db.driver.observer import Kind
    from stagely_rpc.db.driver.pipeline import Command
    from stagely_rpc.db.driver.pool import ConnectionPool
    from stagely_rpc.db.idempotency import IdempotencyStore
    from stagely_rpc.db.session import Parameters
    from stagely_rpc.db.sql.statement import Query

    OnConstraint = Mapping[str, Callable[[], Exception]]
    Wake = Callable[[Collection[str]], None]

    class Message(Protocol):
        """A protobuf message."""

        def SerializeToString(self) -> bytes:  # noqa: N802
            """Return the serialized message."""
            ...


Answer = TypeVar("Answer", bound="Message")
AnyRow = TypeVar("AnyRow", bound=Row)
PointT = TypeVar("PointT")
R1 = TypeVar("R1")
R2 = TypeVar("R2")
R3 = TypeVar("R3")

_NOW = Statement(select(func.now()))

_log = structlog.get_logger(__name__)


class WriteSession(Session):
    """A session with one READ COMMITTED transaction. Most calls need two round trips.

    The first round trip is BEGIN and the queries that read and lock: `ask` sends several queries together. `insert`,
    `update`, `delete` and `record` only queue writes. `insert` and `update` return the row as it will be. The second
    round trip sends the queued writes, the audit entries, the stored response and COMMIT. `execute`, and an `ask` after
    queued writes, send the queued writes first, as SQLAlchemy's autoflush does.
    """

    def __init__(self, pool: ConnectionPool, store: IdempotencyStore, wake: Wake, call: Call) -> None:
        """Take the pool and the store. Nothing is sent yet."""
        super().__init__(call)
        self._pool = pool
        self._store = store
        self._wake = wake
        self._lease: Lease | None = None
        self._now: datetime | None = None
        self._writes: list[Query[Any]] = []
        self._on_constraint: dict[str, Callable[[], Exception]] = {}
        self._entries: list[Entry] = []
        self._answer: bytes | None = None
        self._topics: dict[str, None] = {}

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.call.check_authorized()
                self._check_recorded()
                await self._commit()
        finally:
            if self._lease is not None:
                await self._lease.close()

    @property
    def now(self) -> datetime:
        """The start time of the transaction, from the database. The transaction must have begun."""
        if self._now is None:
            raise RuntimeError("the transaction has not begun")
        return self._now

    async def begin(self) -> None:
        """Begin the transaction. Not needed before `ask`, `read` or `execute`, which begin it themselves.

        Raises:
            AlreadyAnsweredError: the request has a stored response.
            StagelyError: the database refused the statement or is unavailable.
        """
        if self._lease is None:
            await self._begin_with()

    @overload
    async def ask(self, one: Query[R1], /) -> tuple[R1]: ...
    @overload
    async def ask(self, one: Query[R1], two: Query[R2], /) -> tuple[R1, R2]: ...
    @overload
    async def ask(self, one: Query[R1], two: Query[R2], three: Query[R3], /) -> tuple[R1, R2, R3]: ...
    @overload
    async def ask(self, *queries: Query[Any]) -> tuple[Any, ...]: ...
    async def ask(self, *queries: Query[Any]) -> tuple[Any, ...]:
        """Send queries in one round trip within the transaction, and return their results.

        Each query sees what was committed before it started, including commits while the previous query waited for a
        lock. So put a query whose result a lock must protect after the query that takes the lock.

        Raises:
            AlreadyAnsweredError: the request has a stored response.
            StagelyError: the database refused the statement or is unavailable.
        """
        if self._lease is None:
            return tuple(await self._begin_with(*queries))
        return tuple(await self._send(*queries))

    async def read(self, point: PointRead[PointT], *key: object) -> PointT | None:
        """Return the row with a key, or None, within the transaction.

        Raises:
            AlreadyAnsweredError: the request has a stored response.
            StagelyError: the database refused the statement or is unavailable.
        """
        (found,) = await self.ask(point.query([key]))
        return point.rows_of(found, 1)[0]

    async def execute(self, statement: Executable, parameters: Parameters | None = None, /) -> Result[*tuple[Any, ...]]:
        """Execute a statement within the transaction, after the queued writes, and return its rows.

        Raises:
            AlreadyAnsweredError: the request has a stored response.
            StagelyError: the database refused the statement or is unavailable.
        """
        await self.begin()
        await self._send()
        assert self._lease is not None
        try:
            return await self._lease.execute("write", statement, parameters)
        except UnexpectedDatabaseError as violation:
            self._raise_expected(violation)
            raise

    def insert(
        self, row_class: type[AnyRow], values: Mapping[str, Any], on_constraint: OnConstraint | None = None
    ) -> AnyRow:
        """Queue the insertion of a row. Return the row as it will be.

        Args:
            row_class: the class of the row.
            values: the values of its columns. Other columns get their defaults.
            on_constraint: for each constraint that may be violated, a function that returns the error to raise.
        """
        row = rows.new_row(row_class, values, self.now)
        statement, parameters = rows.insertion(row)
        self._queue(statement.all(**parameters), on_constraint)
        return row

    async def insert_returning(
        self, row_class: type[AnyRow], values: Mapping[str, Any], on_constraint: OnConstraint | None = None
    ) -> AnyRow:
        """Insert a row now, and return it with its identity columns.

        Args:
            row_class: the class of the row.
            values: the values of its columns. The database sets the other columns.
            on_constraint: for each constraint that may be violated, a function that returns the error to raise.

        Raises:
            StagelyError: the database refused the statement or is unavailable.
        """
        self._on_constraint.update(on_constraint or {})
        row: AnyRow
        insertion = rows.returning_insertion(row_class, frozenset(values))
        ((row,),) = await self.ask(insertion.all(**values))
        return row

    def update(self, row: AnyRow, values: Mapping[str, Any], on_constraint: OnConstraint | None = None) -> AnyRow:
        """Queue an update of a locked row. Return the row as it will be.

        If no value differs, nothing is written.

        Args:
            row: the current row.
            values: the new values of columns.
            on_constraint: for each constraint that may be violated, a function that returns the error to raise.
        """
        different = {name: value for name, value in values.items() if getattr(row, name) != value}
        if not different:
            return row
        statement = rows.change(type(row), frozenset(different))
        self._queue(statement.all(**rows.key_of(row), **different), on_constraint)
        return rows.changed_row(row, different, self.now)

    def delete(self, row: Row) -> None:
        """Queue the deletion of a locked row."""
        self._queue(rows.deletion(type(row)).all(**rows.key_of(row)), None)

    def record(self, before: Row | None, after: Row | None, *, action: str | None = None, **details: object) -> None:
        """Queue an audit entry for a change of a row.

        Args:
            before: the row before the change; None if it is new.
            after: the row after the change; None if it is deleted.
            action: the action, such as `build_job.create`. Default: the action of the RPC's policy. The part before the
                dot is the resource type.
            details: further details.
        """
        row = before if after is None else after
        assert row is not None
        project_id = row.id if isinstance(row, ProjectRow) else getattr(row, "project_id", None)
        changes = changes_between(before, after)
        entry = self._entry(row.id, project_id, ({"changes": changes} if changes else {}) | details, action)
        self._entries.append(entry)
        self._is_recorded = True

    def answer(self, response: Answer) -> Answer:
        """Set the response of the call, which is stored for retries (AIP-155). Return it."""
        self._answer = response.SerializeToString() if self.call.idempotent_request else b""
        return response

    def wake(self, topic: str) -> None:
        """Notify the listeners of a topic after COMMIT. A notification may be lost; an error of it is only logged."""
        self._topics[topic] = None

    def _queue(self, write: Query[Any], on_constraint: OnConstraint | None) -> None:
        self._writes.append(write)
        self._on_constraint.update(on_constraint or {})

    async def _begin_with(self, *queries: Query[Any]) -> list[Any]:
        """Begin the transaction and send queries in the same round trip. Return their results."""
        self._lease = await self._pool.lease()
        claims = [] if self.call.idempotent_request is None else [self._store.claim(self.call)]
        _, self._now, *results = await self._run("write", [BEGIN, _NOW.value(), *claims, *queries])
        if claims and results[0] is None:
            (sealed,) = await self._send(self._store.find(self.call))
            raise AlreadyAnsweredError(self._store.open(self.call, sealed))
        return results[len(claims) :]

    async def _send(self, *queries: Query[Any]) -> list[Any]:
        """Send the queued writes and then the queries in one round trip. Return the results of the queries."""
        writes, self._writes = self._writes, []
        if not writes and not queries:
            return []
        return (await self._run("write", [*writes, *queries]))[len(writes) :]

    async def _commit(self) -> None:
        """Send the queued writes, the audit entries and the stored response, and commit. Then notify the listeners.

        Raises:
            RuntimeError: the servicer did not call `answer`.
        """
        if self.call.policy is not None and self._answer is None:
            raise RuntimeError(f"{self.call.method} did not call session.answer")
        if self._lease is None and not self._entries and not self.call.idempotent_request:
            return
        await self.begin()
        recorded = [audit_entries.append_query(self._entries)] if self._entries else []
        stored = [self._store.save(self.call, self._answer or b"")] if self.call.idempotent_request else []
        await self._run("commit", [*self._writes, *recorded, *stored, b"COMMIT"])
        if self._topics:
            self._notify_listeners()

    def _notify_listeners(self) -> None:
        try:
            self._wake(tuple(self._topics))
        except Exception:  # noqa: BLE001 - the write is committed, so its call must not fail
            _log.exception("listeners were not notified", topics=list(self._topics))

    async def _run(self, kind: Kind, steps: Sequence[Query[Any] | Command]) -> list[Any]:
        assert self._lease is not None
        try:
            return await self._lease.run(kind, steps)
        except UnexpectedDatabaseError as violation:
            self._raise_expected(violation)
            raise

    def _raise_expected(self, violation: UnexpectedDatabaseError) -> None:
        """Raise the error of `on_constraint` for a violated constraint, if there is one."""
        make_error = self._on_constraint.get(violation.constraint or "")
        if make_error is not None:
            raise make_error() from violation
