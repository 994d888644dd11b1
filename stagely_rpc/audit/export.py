"""The trail as JSON lines, in memory that does not grow with it."""

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
    """Which rows to export; `until` is the first moment that is left out."""

    team_id: uuid.UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


def export_lines(url: str, selection: Selection) -> Iterator[bytes]:
    """Yield the rows as they are at one moment, oldest first, a JSON object and a line break each.

    Raises:
        psycopg.Error: the database can't be reached, or went away.
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
    """Return a row with its place in its chain as VerifyAuditLog takes it for an anchor, in protobuf's JSON."""
    position, hash_ = row.pop("position"), row.pop("hash")
    place = None if position is None else {"position": position, "hash": base64.b64encode(hash_).decode()}
    return {**row, "place": place}
