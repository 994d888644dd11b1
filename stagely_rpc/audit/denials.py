"""Denials in the audit log. The first of a kind is written within a second; repetitions are counted.

A denied call has no transaction that its row could join, and a denied caller can retry a thousand times a second. So
rows are written in the background, at most one a minute for each kind of denial.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from stagely_rpc.background import Periodic
from stagely_rpc.db.audit_entries import Entry, append_query

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from stagely_rpc.db.database import Database

INTERVAL_SECONDS = 0.4
REPETITION_SECONDS = 60.0
MAX_KINDS = 2000
"""The maximum number of distinct kinds of denial within a minute. All others are counted in one row."""

_BATCH_ROWS = 200
_THE_REST = Entry(action="access.deny", resource_type="access", details={"reason": "TOO_MANY_TO_TELL_APART"})

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Tally:
    """Unwritten denials of one kind, and when the kind was last written."""

    entry: Entry
    count: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    written: float | None = None

    def add(self, count: int, first_at: datetime | None, last_at: datetime | None) -> None:
        self.count += count
        self.first_at = min(filter(None, (self.first_at, first_at)), default=None)
        self.last_at = max(filter(None, (self.last_at, last_at)), default=None)

    def take(self) -> _Tally:
        """Return what to write, and reset the count."""
        taken = replace(self)
        self.count, self.first_at, self.last_at = 0, None, None
        return taken

    def is_recent(self) -> bool:
        return self.written is not None and time.monotonic() - self.written < REPETITION_SECONDS

    def row(self) -> Entry:
        counted = {"count": self.count, "first_at": self.first_at, "last_at": self.last_at}
        return replace(self.entry, details={**(self.entry.details or {}), **counted})


class Denials:
    """Writes denials to the audit log in the background. After a failed write, keeps the counts and retries."""

    def __init__(self, db: Database, count: Callable[[str], None] = lambda _: None) -> None:
        """Take the database.

        Args:
            db: the database of the audit log.
            count: is called with the reason of each denial.
        """
        self._db = db
        self._count = count
        self._tallies: dict[Hashable, _Tally] = {}
        self._periodic = Periodic("denials", INTERVAL_SECONDS, work=self.write, finish=self._write_all)

    def start(self) -> None:
        """Start writing in the background."""
        self._periodic.start()

    async def stop(self) -> None:
        """Write the remaining denials, if the database responds in time, and stop."""
        await self._periodic.stop()
        if lost := sum(tally.count for tally in self._tallies.values()):
            _log.error("denials lost: they could not be written to the audit log", count=lost)

    def note(self, entry: Entry) -> None:
        """Queue a denial. Its kind is its caller, user, team, action and details."""
        self._count(str((entry.details or {}).get("reason")))
        who = entry.actor_service or entry.actor_ip
        kind: Hashable = (who, entry.actor_id, entry.team_id, entry.action, repr(entry.details))
        if kind not in self._tallies and len(self._tallies) >= MAX_KINDS:
            kind, entry = None, _THE_REST
        now = datetime.now(UTC)
        self._tallies.setdefault(kind, _Tally(entry)).add(1, now, now)

    async def write(self) -> None:
        """Write the kinds that are new or were last written over a minute ago. Drop kinds that stopped."""
        await self._write([tally for tally in self._tallies.values() if tally.count and not tally.is_recent()])
        expired = [kind for kind, tally in self._tallies.items() if not tally.count and not tally.is_recent()]
        for kind in expired:
            del self._tallies[kind]

    async def _write_all(self) -> None:
        await self._write([tally for tally in self._tallies.values() if tally.count])

    async def _write(self, tallies: list[_Tally]) -> None:
        for start in range(0, len(tallies), _BATCH_ROWS):
            await self._write_batch(tallies[start : start + _BATCH_ROWS])

    async def _write_batch(self, tallies: list[_Tally]) -> None:
        # More denials may arrive during the write.
        taken = [tally.take() for tally in tallies]
        is_written = False
        try:
            await self._db.ask(append_query([each.row() for each in taken]))
            is_written = True
        finally:
            for tally, each in zip(tallies, taken, strict=True):
                if is_written:
                    tally.written = time.monotonic()
                else:
                    tally.add(each.count, each.first_at, each.last_at)
