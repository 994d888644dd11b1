"""Audit entries: rows of the audit trail, written with what they record and queued for their seals."""

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
    """One row to be: what was done to which resource, and by whom.

    Attributes:
        action: what was done, such as `secret.access`.
        resource_type: of what, as the check `valid_resource_type` lists them.
        resource_id: which one.
        team_id: the team that owns it, in whose chain the row is sealed.
        project_id: the project that it belongs to.
        details: what else there is to say, never a secret: the column `metadata`.
        actor_id: the user that the calling service acted for.
        actor_email: theirs at the time.
        actor_service: the identity of the calling service.
        actor_ip: the address that the call came from.
        request_id: the call's `x-request-id`.
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


def appending(entries: Sequence[Entry]) -> Query[list[Any]]:
    """Return the query that adds rows to the trail and queues them for their seals."""
    return _APPEND.all(entries=[_as_json(entry) for entry in entries])


class _Append:
    """Rows of many calls, appended and committed together: each is durable when its caller hears of it."""

    name = "audit rows"

    async def perform(self, ask: Ask, items: Sequence[Entry]) -> Sequence[None]:
        await ask(appending(items))
        return [None] * len(items)


APPEND = _Append()
"""For calls that change nothing else."""


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
    """Build the statement: both tables in one, whatever the number of rows, so that it is prepared once."""
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

    What the database keeps of every row (times, version) is left out. Of a sensitive column it says only that it
    changed.

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
    """Return the names of the columns, sorted, and whether their values are never shown."""
    columns = table_of(row_class).columns
    return [(name, bool(columns[name].info.get("sensitive"))) for name in sorted(set(columns.keys()) - _BOOKKEEPING)]


def _shown(value: object) -> object:
    """Return a value as the trail keeps it: a large one, which can only be JSON, as its size and digest."""
    if isinstance(value, bool | int) or (isinstance(value, str) and len(value) * 4 < _MAX_RECORDED_BYTES):
        return value
    text = orjson.dumps(value, default=str, option=orjson.OPT_SORT_KEYS)
    if len(text) <= _MAX_RECORDED_BYTES:
        return value
    return {"bytes": len(text), "sha256": hashlib.sha256(text).hexdigest()}
