"""Sessions: the base class, and the session of calls that do not write.

`execute`, `scalars` and `scalar` work as in a SQLAlchemy session. `read` and `ask` are faster: `read` shares a
statement with other calls, and `ask` sends several statements in one round trip (docs/decisions/0010).
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
    """Executes statements as a session of SQLAlchemy does.

    Every method raises domain errors (`stagely_rpc.errors`) instead of the driver's errors.
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
    """The database session of one call.

    Attributes:
        call: the call, with its caller, its acting user and its policy.
        team_id: the team that owns the resource of the call, after authorization.
        role: the acting user's role in that team.
    """

    def __init__(self, call: Call) -> None:
        """Take the call. Nothing is sent yet."""
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
        """Send queries in one round trip, and return their results."""

    async def __aenter__(self) -> Self:
        return self

    def _entry(
        self,
        resource_id: uuid.UUID | None,
        project_id: uuid.UUID | None,
        details: Mapping[str, object],
        action: str | None = None,
    ) -> Entry:
        """Return an audit entry of this call. The default action is the policy's."""
        if action is None and self.call.policy is not None:
            action = self.call.policy.action
        if action is None:
            raise RuntimeError(f"{self.call.method} has no audit action")
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
        """Check that the call was recorded, if its policy has an action.

        Raises:
            RuntimeError: the slice did not record it.
        """
        if self.call.policy is not None and self.call.policy.action and not self._is_recorded:
            raise RuntimeError(f"{self.call.method} wrote no audit entry")


class ReadSession(Session):
    """The session of a call that does not write. Each statement is its own transaction on any connection."""

    def __init__(self, pool: ConnectionPool, batches: Batches, call: Call) -> None:
        """Take the pool and the batches. Nothing is sent yet."""
        super().__init__(call)
        self._pool = pool
        self._batches = batches

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.call.check_authorized()
            self._check_recorded()

    async def read(self, point: PointRead[RowT], *key: object) -> RowT | None:
        """Return the committed row with a key, or None. The statement is shared with other calls.

        Raises:
            StagelyError: the database refused the statement or is unavailable.
        """
        return await self._batches.do(point, key)

    async def ask(self, *queries: Query[Any]) -> tuple[Any, ...]:
        """Send queries in one round trip, as one transaction, and return their results.

        Raises:
            StagelyError: the database refused the statement or is unavailable.
        """
        return tuple(await self._pool.exchange("read", *queries))

    async def execute(self, statement: Executable, parameters: Parameters | None = None, /) -> Result[*tuple[Any, ...]]:
        """Execute a statement that only reads, and return its rows. If the connection breaks, it is retried once.

        Raises:
            StagelyError: the database refused the statement or is unavailable.
        """
        frozen = await self._pool.use(lambda lease: lease.fetch("read", statement, parameters), retry=True)
        return frozen()

    async def append(
        self, resource_id: uuid.UUID | None, project_id: uuid.UUID | None, details: Mapping[str, object]
    ) -> None:
        """Record in the audit log what the call will return. The entry is durable when this method returns."""
        await self._batches.do(audit_entries.APPEND, self._entry(resource_id, project_id, details))
        self._is_recorded = True
