"""Verification of a chain: walk it from the first row to the last, and report the first fault.

The walk stops where the chain ended when the walk started. It keeps one batch in memory, and holds no connection while
the caller reads.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from stagely_rpc.audit import queries
from stagely_rpc.audit.chain import START, ChainKey, Link

if TYPE_CHECKING:
    from stagely_rpc.audit.chain import ChainEnd, Sealed
    from stagely_rpc.db.paging import Cursor
    from stagely_rpc.db.session import Session

FaultKind = Literal["edited", "deleted", "reordered", "inserted", "cut_off", "anchor_mismatch"]

_BATCH_ROWS = 500


@dataclass(frozen=True, slots=True)
class Fault:
    """The first deviation from what was sealed.

    Attributes:
        kind: what happened to the row.
        position: the position in the chain; None for a row that was never sealed.
        audit_log_id: the id of the row, if it is known.
    """

    kind: FaultKind
    position: int | None = None
    audit_log_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of the walk: the last verified position, and the end of the chain."""

    verified: int
    end: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome: the last intact link, the number of unsealed rows, and the first fault, if any."""

    head: Link
    unsealed: int
    fault: Fault | None


async def verify(
    session: Session, key: ChainKey, chain: uuid.UUID, anchor: Link | None
) -> AsyncIterator[Progress | Verdict]:
    """Verify a chain; yield progress, then the verdict.

    Args:
        session: reads one statement at a time.
        key: the key of the chains.
        chain: the chain to verify.
        anchor: a link of the chain that the caller knows.
    """
    end = (await queries.get_chain_ends(session, [chain]))[chain]
    walk = _Walk(session, key, chain, anchor)
    last = end.last.position if end.last else 0
    async for _ in walk.seals(last):
        yield Progress(walk.link.position, last)
    fault = walk.fault or walk.fault_at_end(end)
    unsealed = 0
    async for batch in walk.rows():
        unsealed += sum(row.is_queued for row in batch)
        inserted = next((row for row in batch if not (row.is_sealed or row.is_queued)), None)
        if inserted and not fault:
            fault = Fault("inserted", audit_log_id=inserted.cursor.id)
        yield Progress(walk.link.position, last)
    yield Verdict(walk.link, unsealed, fault)


class _Walk:
    """The state of a verification.

    Attributes:
        link: the last verified link.
        fault: the fault at the next position, if any.
    """

    def __init__(self, session: Session, key: ChainKey, chain: uuid.UUID, anchor: Link | None) -> None:
        self.link = START
        self.fault: Fault | None = None
        self._session = session
        self._key = key
        self._chain = chain
        self._anchor = anchor

    async def seals(self, until: int) -> AsyncIterator[int]:
        """Verify the seals up to a position or the first fault; yield after each batch."""
        while batch := await queries.list_sealed(self._session, self._chain, self.link.position, until, _BATCH_ROWS):
            for sealed in batch:
                self.fault = await self._fault_of(sealed)
                if self.fault:
                    return
                self.link = sealed.seal.link
            yield len(batch)

    async def rows(self) -> AsyncIterator[list[queries.RowState]]:
        """Yield all rows of the chain, batch by batch."""
        after: Cursor | None = None
        while batch := await queries.list_row_states(self._session, self._chain, after, _BATCH_ROWS):
            yield batch
            after = batch[-1].cursor

    def fault_at_end(self, end: ChainEnd) -> Fault | None:
        """Return the fault at the end of a chain whose seals are all intact; None if the end is authentic."""
        is_authentic = end.verified_head(self._key, self._chain) == self.link
        has_anchor = self._anchor is None or self._anchor.position <= self.link.position
        return None if is_authentic and has_anchor else Fault("cut_off", self.link.position + 1)

    async def _fault_of(self, sealed: Sealed) -> Fault | None:
        """Compare a seal with its row, and with the link that its position requires."""
        seal, expected = sealed.seal, self.link.position + 1
        if seal.link.position != expected:
            return Fault("deleted", expected)
        if sealed.row is None:
            return Fault("deleted", expected, seal.audit_log_id)
        row_hash = self._key.row_hash(sealed.row)
        if row_hash != seal.row_hash:
            is_moved = await queries.is_sealed(self._session, row_hash)
            return Fault("reordered" if is_moved else "edited", expected, seal.audit_log_id)
        if self._key.next_link(self._chain, self.link, row_hash) != seal.link:
            return Fault("reordered", expected, seal.audit_log_id)
        if self._anchor and self._anchor.position == expected and self._anchor != seal.link:
            return Fault("anchor_mismatch", expected, seal.audit_log_id)
        return None
