"""The unit of work of one call: its transaction, who asked for it, and what is going to be recorded of it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import orjson
from sqlalchemy import inspect
from sqlalchemy.ext.asyncio import AsyncSession

from stagely_rpc.db.models import Project
from stagely_rpc.db.trail import Entry

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping

    from sqlalchemy.ext.asyncio import AsyncEngine

    from stagely_rpc.call import Call, Role, User
    from stagely_rpc.db.models import Base

    State = Mapping[str, Any]

    class Message(Protocol):
        """A response, as far as it matters here."""

        def SerializeToString(self) -> bytes:  # noqa: N802
            """Return it as bytes."""
            ...


Answer = TypeVar("Answer", bound="Message")

_BOOKKEEPING = frozenset({"id", "created_at", "updated_at", "row_version"})
_MAX_RECORDED_BYTES = 1024


class Session(AsyncSession):
    """A session that knows the call that it works for.

    Attributes:
        call: who asks, for whom and by which policy.
        team_id: the team that owns what the call is about, once the slice has said so.
        role: what the acting user is in that team.
    """

    def __init__(self, bind: AsyncEngine, call: Call, *, autoflush: bool = True) -> None:
        super().__init__(bind, expire_on_commit=False, autoflush=autoflush)
        self.call = call
        self.team_id: uuid.UUID | None = None
        self.role: Role | None = None

    @property
    def acting_user(self) -> User | None:
        """The user for whom the calling service acts."""
        return self.call.caller.user


class WriteSession(Session):
    """A session in the one transaction of a call that changes something, or reads a secret."""

    def __init__(self, bind: AsyncEngine, call: Call) -> None:
        super().__init__(bind, call)
        self.entries: list[Entry] = []
        self.serialized_answer: bytes | None = None

    def record(self, row: Base, *, before: State | None = None, **details: object) -> None:
        """Write into the audit trail, when the transaction commits, what became of a row.

        Args:
            row: as it is now; or as it was, if it is deleted.
            before: what `state` said before the change; None for a new row.
            details: what else is worth knowing.
        """
        project_id = row.id if isinstance(row, Project) else getattr(row, "project_id", None)
        changes = _changes(before or {}, {} if inspect(row).deleted else state(row))
        recorded = {"changes": changes} if changes else {}
        self.record_entry(row.id, project_id, recorded | details)  # type: ignore[attr-defined]

    def record_entry(
        self, resource_id: uuid.UUID | None, project_id: uuid.UUID | None, details: Mapping[str, object]
    ) -> None:
        """Write into the audit trail, when the transaction commits, what is no change of one row."""
        policy, caller = self.call.policy, self.call.caller
        if policy is None or policy.action is None:
            raise RuntimeError(f"{self.call.method} has no action to be recorded as")
        entry = Entry(
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
        self.entries.append(entry)

    def answer(self, response: Answer) -> Answer:
        """Return the response, which is kept with the effect: a repetition of the request gets it again (AIP-155)."""
        self.serialized_answer = response.SerializeToString() if self.call.repeatable else b""
        return response

    def check_complete(self) -> None:
        """Refuse to commit what is not recorded or not answered.

        Raises:
            RuntimeError: a servicer forgot `answer`, or a service to `record`.
        """
        if self.serialized_answer is None:
            raise RuntimeError(f"{self.call.method} ended its transaction without an answer")
        if self.call.policy is not None and self.call.policy.action and not self.entries:
            raise RuntimeError(f"{self.call.method} recorded nothing")


def state(row: Base) -> dict[str, Any]:
    """Return the values of a row's columns as they are now, but for what the database keeps of every row."""
    loaded = inspect(row).dict
    return {
        column.key: _Hidden(loaded[column.key]) if column.columns[0].info.get("sensitive") else loaded[column.key]
        for column in inspect(type(row)).column_attrs
        if column.key in loaded and column.key not in _BOOKKEEPING
    }


class _Hidden:
    """A value that can be compared and not be seen."""

    __slots__ = ("_value",)

    def __init__(self, value: object) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Hidden) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)


def _changes(before: State, after: State) -> dict[str, Any]:
    """Return the old and the new value of each column that differs; of a sensitive one, that it does."""
    changes: dict[str, Any] = {}
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if isinstance(old, _Hidden) or isinstance(new, _Hidden):
            changes[name] = {"changed": True}
        else:
            changes[name] = {side: _shown(value) for side, value in (("old", old), ("new", new)) if value is not None}
    return changes


def _shown(value: object) -> object:
    """Return a value as the trail keeps it: a large one, which can only be JSON, as its size and digest."""
    text = orjson.dumps(value, default=str, option=orjson.OPT_SORT_KEYS)
    if len(text) <= _MAX_RECORDED_BYTES:
        return value
    return {"bytes": len(text), "sha256": hashlib.sha256(text).hexdigest()}
