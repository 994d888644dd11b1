"""What a session is, and the session of a call that changes nothing.

`execute`, `scalars` and `scalar` are SQLAlchemy's. `read` and `ask` are the fast ways beside them: `read` shares a
statement with other calls, and `ask` sends several statements in one wait (docs/decisions/0010).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self, TypeVar

from stagely_rpc.db import audit_entries
from stagely_rpc.db.audit_entries import Entry

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping
    from types import TracebackType

    from sqlalchemy import Executable, Result, ScalarResult

    from stagely_rpc.call import Call, Role, User
    from stagely_rpc.db.batching.batches import Batches
    from stagely_rpc.db.batching.point_read import PointRead
    from stagely_rpc.db.driver.pool import ConnectionPool
    from stagely_rpc.db.sql.statement import Query

    Parameters = Mapping[str, Any]

RowT = TypeVar("RowT")


class Executor(ABC):
    """What executes statements as a session of SQLAlchemy does.

    Every method raises the errors of the domain (`stagely_rpc.errors`) in place of the driver's.
    """

    @abstractmethod
    async def execute(self, statement: Executable, parameters: Parameters | None = None, /) -> Result[*tuple[Any, ...]]:
        """Execute a statement and return its rows."""

    async def scalars(self, statement: Executable, parameters: Parameters | None = None, /) -> ScalarResult[Any]:
        """Execute a statement and return the first column of its rows."""
        return (await self.execute(statement, parameters)).scalars()

    async def scalar(self, statement: Executable, parameters: Parameters | None = None, /) -> Any:  # noqa: ANN401 - as SQLAlchemy's
        """Execute a statement and return the first column of the first row, or None."""
        return (await self.execute(statement, parameters)).scalar()


class Session(Executor):
    """The session of one call: what it asks of the database, and what is recorded of it.

    Attributes:
        call: who calls, for which user, and by which policy.
        team_id: the team that owns what the call is about, once the slice has said so.
        role: the acting user's role in that team.
    """

    def __init__(self, call: Call) -> None:
        """Take the call; nothing is asked yet."""
        self.call = call
        self.team_id: uuid.UUID | None = None
        self.role: Role | None = None
        self._is_recorded = False

    @property
    def acting_user(self) -> User | None:
        """The user for whom the calling service acts."""
        return self.call.caller.user

    @abstractmethod
    async def read(self, point: PointRead[RowT], *key: object) -> RowT | None:
        """Return the row with a key, or None."""

    @abstractmethod
    async def ask(self, *queries: Query[Any]) -> tuple[Any, ...]:
        """Send queries together, and return their results."""

    async def __aenter__(self) -> Self:
        return self

    def _entry(
        self,
        resource_id: uuid.UUID | None,
        project_id: uuid.UUID | None,
        details: Mapping[str, object],
        action: str | None = None,
    ) -> Entry:
        """Return an audit entry of this call. Its action is the policy's, unless the record has its own."""
        if action is None and self.call.policy is not None:
            action = self.call.policy.action
        if action is None:
            raise RuntimeError(f"{self.call.method} has no action to be recorded as")
        caller = self.call.caller
        return Entry(
            action=action,
            resource_type=action.partition(".")[0],
            resource_id=resource_id,
            team_id=self.team_id,
            project_id=project_id,
            details=dict(details),
            actor_id=caller.user.id if caller.user else None,
            actor_email=caller.user.email if caller.user else None,
            actor_service=caller.service,
            actor_ip=self.call.ip,
            request_id=self.call.request_id,
        )

    def _check_recorded(self) -> None:
        """Refuse to answer a call that must be recorded and is not.

        Raises:
            RuntimeError: a service forgot to record it.
        """
        if self.call.policy is not None and self.call.policy.action and not self._is_recorded:
            raise RuntimeError(f"{self.call.method} recorded nothing")


class ReadSession(Session):
    """The session of a call that changes nothing. Each statement is a transaction of its own, on any connection."""

    def __init__(self, pool: ConnectionPool, batches: Batches, call: Call) -> None:
        """Take what the call reads from; nothing is asked yet."""
        super().__init__(call)
        self._pool = pool
        self._batches = batches

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.call.check_decided()
            self._check_recorded()

    async def read(self, point: PointRead[RowT], *key: object) -> RowT | None:
        """Return the row with a key, or None, as it is committed: by a statement that other calls share.

        Raises:
            StagelyError: the database refused, or can't be asked.
        """
        return await self._batches.do(point, key)

    async def ask(self, *queries: Query[Any]) -> tuple[Any, ...]:
        """Send queries together, as one transaction, and return their results.

        Raises:
            StagelyError: the database refused, or can't be asked.
        """
        return tuple(await self._pool.exchange("read", *queries))

    async def execute(self, statement: Executable, parameters: Parameters | None = None, /) -> Result[*tuple[Any, ...]]:
        """Execute a statement that only reads, and return its rows. It is repeated if the connection breaks.

        Raises:
            StagelyError: the database refused, or can't be asked.
        """
        frozen = await self._pool.use(lambda lease: lease.fetch("read", statement, parameters), repeatable=True)
        return frozen()

    async def append(
        self, resource_id: uuid.UUID | None, project_id: uuid.UUID | None, details: Mapping[str, object]
    ) -> None:
        """Record in the audit trail what the call is about to return. When this returns, the entry is durable."""
        await self._batches.do(audit_entries.APPEND, self._entry(resource_id, project_id, details))
        self._is_recorded = True
