"""The unit of work of one call: what it reads, and what is recorded of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from stagely_rpc.db import audit_entries
from stagely_rpc.db.audit_entries import Entry
from stagely_rpc.db.driver.observer import Timed
from stagely_rpc.db.errors import domain_errors, is_broken_off

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping
    from types import TracebackType

    from sqlalchemy import Executable, Result
    from sqlalchemy.ext.asyncio import AsyncEngine

    from stagely_rpc.call import Call, Role, User
    from stagely_rpc.db.batching.batches import Batches
    from stagely_rpc.db.batching.point_read import PointRead
    from stagely_rpc.db.models import Base
    from stagely_rpc.db.sql.statement import Query

    class Executor(Protocol):
        """What a statement can be executed on: the session of a call, or one of SQLAlchemy's."""

        async def execute(self, statement: Executable, params: Any = None, /) -> Result[*tuple[Any, ...]]:  # noqa: ANN401 - SQLAlchemy's
            """Return its rows."""
            ...


AnyRow = TypeVar("AnyRow", bound="Base")


class Session:
    """A call that changes nothing: each statement is a transaction of its own.

    Attributes:
        call: who asks, for whom and by which policy.
        team_id: the team that owns what the call is about, once the slice has said so.
        role: what the acting user is in that team.
    """

    def __init__(self, engine: AsyncEngine, batches: Batches, call: Call) -> None:
        """Take what the call reads from; nothing is asked yet."""
        self.call = call
        self.team_id: uuid.UUID | None = None
        self.role: Role | None = None
        self._engine = engine
        self._batches = batches
        self._lists: AsyncSession | None = None
        self._is_recorded = False

    @property
    def acting_user(self) -> User | None:
        """The user for whom the calling service acts."""
        return self.call.caller.user

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
        if error is None:
            self.call.check_decided()
            self._check_recorded()

    async def close(self) -> None:
        """Give the session's own connection back; it gets another when there is something to execute."""
        if self._lists is not None:
            await self._lists.close()

    async def read(self, point: PointRead[AnyRow], *key: object) -> AnyRow | None:
        """Return the row with a key, or None, as it is committed: by a statement that other calls share."""
        return await self._batches.do(point, key)

    async def ask(self, *queries: Query[Any]) -> tuple[Any, ...]:
        """Send queries together, and return their results.

        Raises:
            StagelyError: the database refused, or can't be asked.
        """
        with domain_errors():
            return tuple(await self._batches.ask(*queries))

    async def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None, /
    ) -> Result[*tuple[Any, ...]]:
        """Return the rows of a statement that only reads, on the session's own connection, or if it broke, on another.

        Raises:
            StagelyError: the database refused, or can't be asked.
        """
        if self._lists is None:
            self._lists = AsyncSession(self._engine, autoflush=False)
        told = self._batches.observer.exchanged
        with domain_errors():
            try:
                with Timed(told, "read", ()):
                    return await self._lists.execute(statement, parameters)
            except DBAPIError as error:
                if not is_broken_off(error):
                    raise
            await self._lists.rollback()
            with Timed(told, "read", ()):
                return await self._lists.execute(statement, parameters)

    async def append(
        self, resource_id: uuid.UUID | None, project_id: uuid.UUID | None, details: Mapping[str, object]
    ) -> None:
        """Write into the audit trail what the call is about to tell. When this returns, it is durable."""
        await self._batches.do(audit_entries.APPEND, self._entry(resource_id, project_id, details))
        self._is_recorded = True

    def _entry(
        self, resource_id: uuid.UUID | None, project_id: uuid.UUID | None, details: Mapping[str, object]
    ) -> Entry:
        policy, caller = self.call.policy, self.call.caller
        if policy is None or policy.action is None:
            raise RuntimeError(f"{self.call.method} has no action to be recorded as")
        return Entry(
            action=policy.action,
            resource_type=policy.action.partition(".")[0],
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
        """Refuse to answer what is not recorded.

        Raises:
            RuntimeError: a service forgot to.
        """
        if self.call.policy is not None and self.call.policy.action and not self._is_recorded:
            raise RuntimeError(f"{self.call.method} recorded nothing")
