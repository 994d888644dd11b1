"""Audit entries: written in the transaction of the change that they record, and queued for sealing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import String, Uuid, bindparam, column, func, insert, select
from sqlalchemy.dialects.postgresql import INET, JSONB

from stagely_rpc.db.models import AuditLog, AuditUnsealed, Base
from stagely_rpc.db.sql.rows import table_of
from stagely_rpc.db.sql.statement import Statement

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence
    from ipaddress import IPv4Address, IPv6Address

    from sqlalchemy import Insert

    from stagely_rpc.db.batching.batches import Ask
    from stagely_rpc.db.sql.rows import Row
    from stagely_rpc.db.sql.statement import Query


_LOGS = Base.metadata.tables[AuditLog.__tablename__]
_QUEUE = Base.metadata.tables[AuditUnsealed.__tablename__]

_BOOKKEEPING = frozenset({"id", "created_at", "updated_at", "row_version"})
_MAX_RECORDED_BYTES = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An audit entry to write.

    Attributes:
        action: the action, such as `secret.access`.
        resource_type: the type of the resource, one of the check `valid_resource_type`.
        resource_id: the id of the resource.
        team_id: the team that owns the resource. The entry is sealed in this team's chain.
        project_id: the project of the resource.
        details: further details, never a secret: the column `metadata`.
        actor_id: the acting user.
        actor_email: the user's e-mail address at that time.
        actor_service: the identity of the calling service.
        actor_ip: the IP address of the caller.
        request_id: the `x-request-id` of the call.
    """

    action: str
    resource_type: str
    resource_id: uuid.UUID | None = None
    team_id: uuid.UUID | None = None
    project_id: uuid.UUID | None = None
    details: Mapping[str, Any] | None = None
    actor_id: uuid.UUID | None = None
    actor_email: str | None = None
    actor_service: str | None = None
    actor_ip: IPv4Address | IPv6Address | None = None
    request_id: str | None = None


def append_query(entries: Sequence[Entry]) -> Query[list[Any]]:
    """Return the query that inserts entries and queues them for sealing."""
    return _APPEND.all(entries=[_as_json(entry) for entry in entries])


class _Append:
    """Inserts the entries of many calls in one transaction. Each entry is durable when its call continues."""

    name = "audit rows"

    async def perform(self, ask: Ask, items: Sequence[Entry]) -> Sequence[None]:
        await ask(append_query(items))
        return [None] * len(items)


APPEND = _Append()
"""Appends the entry of a call that changes nothing else."""


def _as_json(entry: Entry) -> dict[str, object]:
    return {
        "action": entry.action,
        "resource_type": entry.resource_type,
        "resource_id": entry.resource_id,
        "team_id": entry.team_id,
        "project_id": entry.project_id,
        "metadata": entry.details,
        "actor_id": entry.actor_id,
        "actor_email": entry.actor_email,
        "actor_service": entry.actor_service,
        "actor_ip": None if entry.actor_ip is None else str(entry.actor_ip),
        "request_id": entry.request_id,
    }


def _statement() -> Insert:
    """Return one statement for both tables and any number of rows, so that it is prepared only once."""
    columns = (
        column("action", String),
        column("resource_type", String),
        column("resource_id", Uuid),
        column("team_id", Uuid),
        column("project_id", Uuid),
        column("metadata", JSONB),
        column("actor_id", Uuid),
        column("actor_email", String),
        column("actor_service", String),
        column("actor_ip", INET),
        column("request_id", String),
    )
    given = func.jsonb_to_recordset(bindparam("entries", type_=JSONB)).table_valued(*columns, name="given")
    given = given.render_derived(with_types=True)
    names = [each.name for each in columns]
    rows = insert(_LOGS).from_select(names, select(given), include_defaults=False)
    logged = rows.returning(AuditLog.timestamp, AuditLog.id).cte("logged")
    return insert(_QUEUE).from_select(["timestamp", "audit_log_id"], select(logged))


_APPEND = Statement(_statement())


def changes_between(before: Row | None, after: Row | None) -> dict[str, Any]:
    """Return the old and the new value of each column that a write changed.

    Times and the row version are omitted. For a sensitive column, only the fact that it changed is returned.

    Args:
        before: the row as it was; None if it is new.
        after: the row as it will be; None if it is deleted.
    """
    row = before if after is None else after
    assert row is not None
    changes: dict[str, Any] = {}
    for name, is_sensitive in _recorded_columns(type(row)):
        old, new = getattr(before, name, None), getattr(after, name, None)
        if old == new:
            continue
        if is_sensitive:
            changes[name] = {"changed": True}
        else:
            changes[name] = {side: _shown(value) for side, value in (("old", old), ("new", new)) if value is not None}
    return changes


@cache
def _recorded_columns(row_class: type[Row]) -> list[tuple[str, bool]]:
    """Return the sorted names of the columns, and whether they are sensitive."""
    columns = table_of(row_class).columns
    return [(name, bool(columns[name].info.get("sensitive"))) for name in sorted(set(columns.keys()) - _BOOKKEEPING)]


def _shown(value: object) -> object:
    """Return a value for the audit log. A large value, which can only be JSON, becomes its size and digest."""
    if isinstance(value, bool | int) or (isinstance(value, str) and len(value) * 4 < _MAX_RECORDED_BYTES):
        return value
    text = orjson.dumps(value, default=str, option=orjson.OPT_SORT_KEYS)
    if len(text) <= _MAX_RECORDED_BYTES:
        return value
    return {"bytes": len(text), "sha256": hashlib.sha256(text).hexdigest()}
