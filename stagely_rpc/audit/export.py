"""Export of the audit log as JSON lines, in constant memory."""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import orjson
import psycopg
from psycopg.rows import dict_row

from stagely_rpc.audit.queries import EXPORT

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterator
    from datetime import datetime

_BATCH_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows to export. `until` is exclusive."""

    team_id: uuid.UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


def export_lines(url: str, selection: Selection) -> Iterator[bytes]:
    """Yield the rows of one snapshot, oldest first. Each item is a JSON object and a line break.

    Raises:
        psycopg.Error: the database can't be reached, or the connection was lost.
    """
    with (
        psycopg.connect(url, application_name="stagely-rpc audit export", row_factory=dict_row) as connection,
        connection.cursor("audit_export") as cursor,
    ):
        connection.read_only = True
        cursor.itersize = _BATCH_ROWS
        cursor.execute(EXPORT, asdict(selection))
        for row in cursor:
            yield orjson.dumps(_with_place(row), default=str) + b"\n"


def _with_place(row: dict[str, Any]) -> dict[str, Any]:
    """Add the row's position in its chain, in protobuf's JSON form. VerifyAuditLog accepts it as an anchor."""
    position, hash_ = row.pop("position"), row.pop("hash")
    place = None if position is None else {"position": position, "hash": base64.b64encode(hash_).decode()}
    return {**row, "place": place}
