"""The unit of work of a call that changes something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

import psycopg
from sqlalchemy import func, select

from stagely_rpc.db import audit_entries
from stagely_rpc.db.audit_changes import changes_between
from stagely_rpc.db.driver.lease import Lease
from stagely_rpc.db.driver.observer import Timed
from stagely_rpc.db.errors import DATABASE_ERRORS, domain_error, domain_errors, violated_constraint
from stagely_rpc.db.idempotency import AlreadyAnsweredError
from stagely_rpc.db.models import Project
from stagely_rpc.db.session import Session
from stagely_rpc.db.sql import rows
from stagely_rpc.db.sql.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from types import TracebackType

    from sqlalchemy.ext.asyncio import AsyncEngine

    from stagely_rpc.call import Call
    from stagely_rpc.db.audit_entries import Entry
    from stagely_rpc.db.batching.batches import Batches
    from stagely_rpc.db.driver.observer import Kind
    from stagely_rpc.db.driver.pipeline import Command
    from stagely_rpc.db.idempotency import IdempotencyStore
    from stagely_rpc.db.models import Base
    from stagely_rpc.db.sql.statement import Query

    OnConstraint = Mapping[str, Callable[[], Exception]]

    class Message(Protocol):
        """A response, as far as it matters here."""

        def SerializeToString(self) -> bytes:  # noqa: N802
            """Return it as bytes."""
            ...


Answer = TypeVar("Answer", bound="Message")
AnyRow = TypeVar("AnyRow", bound="Base")
R1 = TypeVar("R1")
R2 = TypeVar("R2")
R3 = TypeVar("R3")

_NOW = Statement(select(func.now()))


class WriteSession(Session):
    """A call that changes something, in one READ COMMITTED transaction and, commonly, two waits.

    The first wait is for BEGIN and whatever the call must know and hold: `ask` sends several queries together. Writes
    are only noted, and what becomes of their rows is computed; the second wait is for them, their audit rows, the kept
    answer and COMMIT. If a constraint is violated, the end of the block raises the
    error that `on_constraint` gives for it.
    """

    def __init__(self, engine: AsyncEngine, batches: Batches, answers: IdempotencyStore, call: Call) -> None:
        """Take what the call writes to; nothing is asked yet."""
        super().__init__(engine, batches, call)
        self._answers = answers
        self._lease: Lease | None = None
        self._now: datetime | None = None
        self._writes: list[Query[Any]] = []
        self._refusals: dict[str, Callable[[], Exception]] = {}
        self._entries: list[Entry] = []
        self._answer: bytes | None = None

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.call.check_decided()
                self._check_recorded()
                await self._finish()
        finally:
            if self._lease is not None:
                await self._lease.give_back()

    @property
    def now(self) -> datetime:
        """The time of the transaction, as the database has it; known once something was asked."""
        if self._now is None:
            raise RuntimeError("the transaction has not begun")
        return self._now

    @overload
    async def ask(self) -> tuple[()]: ...
    @overload
    async def ask(self, one: Query[R1], /) -> tuple[R1]: ...
    @overload
    async def ask(self, one: Query[R1], two: Query[R2], /) -> tuple[R1, R2]: ...
    @overload
    async def ask(self, one: Query[R1], two: Query[R2], three: Query[R3], /) -> tuple[R1, R2, R3]: ...
    @overload
    async def ask(self, *queries: Query[Any]) -> tuple[Any, ...]: ...
    async def ask(self, *queries: Query[Any]) -> tuple[Any, ...]:
        """Send queries together within the transaction, which the first time begins, and return their results.

        Each sees what was committed before it began, and so what was committed while the one before it waited for a
        lock: what must hold under a lock is asked after it.

        Raises:
            AlreadyAnsweredError: the request was answered before.
            StagelyError: the database refused, or can't be asked.
        """
        if self._lease is not None:
            return tuple(await self._run(queries))
        with domain_errors():
            self._lease = await Lease.take(self._engine)
        claims = [] if self.call.repeatable is None else [self._answers.claim(self.call)]
        _, self._now, *results = await self._run([b"BEGIN", _NOW.value(), *claims, *queries])
        if claims and results[0] is None:
            (sealed,) = await self._run([self._answers.stored(self.call)])
            raise AlreadyAnsweredError(self._answers.open(self.call, sealed))
        return tuple(results[len(claims) :])

    def insert(
        self, model: type[AnyRow], values: Mapping[str, Any], on_constraint: OnConstraint | None = None
    ) -> AnyRow:
        """Add a row when the transaction commits, and return it as it will be.

        Args:
            model: of the row.
            values: of its columns; the others get their defaults.
            on_constraint: what makes the error that is raised if a constraint is violated, by the constraint's name.
        """
        row = rows.new_row(model, values, self.now)
        self._note(rows.insertion(model).rows(**row._asdict()), on_constraint)  # type: ignore[attr-defined]
        return row

    def update(
        self,
        model: type[AnyRow],
        row: AnyRow,
        values: Mapping[str, Any],
        on_constraint: OnConstraint | None = None,
    ) -> AnyRow:
        """Change a row, which must be held, when the transaction commits; return it as it will be.

        Nothing is written if nothing is different.

        Args:
            model: of the row.
            row: as it is.
            values: of the columns that are to change.
            on_constraint: what makes the error that is raised if a constraint is violated, by the constraint's name.
        """
        different = {name: value for name, value in values.items() if getattr(row, name) != value}
        if not different:
            return row
        statement = rows.change(model, frozenset(different))
        self._note(statement.rows(**rows.key_of(row), **different), on_constraint)
        return rows.changed_row(row, different, self.now)

    def delete(self, model: type[AnyRow], row: AnyRow) -> None:
        """Delete a row, which must be held, when the transaction commits."""
        self._note(rows.deletion(model).rows(**rows.key_of(row)), None)

    def record(self, model: type[AnyRow], before: AnyRow | None, after: AnyRow | None, **details: object) -> None:
        """Write into the audit trail, when the transaction commits, what becomes of a row.

        Args:
            model: of the row.
            before: as it was; None if it is new.
            after: as it will be; None if it is deleted.
            details: what else is worth knowing.
        """
        row: Any = before if after is None else after
        project_id = row.id if model is Project else getattr(row, "project_id", None)
        changes = changes_between(model, before, after)
        self._entries.append(self._entry(row.id, project_id, ({"changes": changes} if changes else {}) | details))
        self._is_recorded = True

    def answer(self, response: Answer) -> Answer:
        """Return the response, which is kept with the effect: a repetition of the request gets it again (AIP-155)."""
        self._answer = response.SerializeToString() if self.call.repeatable else b""
        return response

    def _note(self, write: Query[Any], on_constraint: OnConstraint | None) -> None:
        self._writes.append(write)
        self._refusals.update(on_constraint or {})

    async def _finish(self) -> None:
        """Send every write, what is recorded of them and the answer, and commit.

        Raises:
            RuntimeError: a servicer forgot `answer`.
        """
        if self._answer is None:
            raise RuntimeError(f"{self.call.method} ended its transaction without an answer")
        recorded = [audit_entries.appending(self._entries)] if self._entries else []
        kept = [self._answers.keep(self.call, self._answer)] if self.call.repeatable else []
        await self._run([*self._writes, *recorded, *kept, b"COMMIT"], "commit")

    async def _run(self, steps: list[Query[Any] | Command] | tuple[Query[Any], ...], kind: Kind = "write") -> list[Any]:
        assert self._lease is not None
        try:
            with Timed(self._batches.observer.exchanged, kind, steps):
                return await self._lease.run(steps)
        except psycopg.IntegrityError as violation:
            refuse = self._refusals.get(violated_constraint(violation) or "")
            if refuse is None:
                raise domain_error(violation) from None
            raise refuse() from violation
        except DATABASE_ERRORS as error:
            raise domain_error(error) from None
