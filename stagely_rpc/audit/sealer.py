"""The sealer. It appends every audit row to its team's chain within a second of the commit.

Sealing is separate from writing rows. A chain has one end: a write that appended to the chain would lock the end until
its commit, and a team's writes would wait for each other (docs/decisions/0006). One replica seals at a time. Each batch
is one transaction, so if a process dies, every row is still either queued or sealed.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Protocol

import structlog

from stagely_rpc.audit import queries
from stagely_rpc.audit.chain import Seal
from stagely_rpc.background import Periodic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stagely_rpc.audit.chain import ChainKey, Link, SealableRow
    from stagely_rpc.db.database import Database
    from stagely_rpc.db.session import Executor

    class SealerObserver(Protocol):
        """Observes the sealer."""

        def sealed(self, rows: int) -> None:
            """The sealer sealed this many rows."""

        def round_ended(self, lag_seconds: float) -> None:
            """A round ended; the lag is the age of the oldest unsealed row."""


INTERVAL_SECONDS = 0.4

_BATCH_ROWS = 500
_ROUNDS_BETWEEN_RETRIES_OF_REFUSED = 150

_log = structlog.get_logger(__name__)


class Sealer:
    """Seals rows in the background.

    If the end of a chain was tampered with, the sealer refuses the chain: continuing it would seal the tampering too.
    The rows stay queued, and the sealer retries and logs an error once a minute.
    """

    def __init__(self, db: Database, key: ChainKey, observer: SealerObserver | None = None) -> None:
        """Take the database and the key.

        Args:
            db: the database of the audit log.
            key: the key of the chains.
            observer: is called after each round; without one, the lag is not queried.
        """
        self._observer = observer
        self._db = db
        self._key = key
        self._refused: set[uuid.UUID] = set()
        self._rounds = 0
        self._periodic = Periodic("audit sealer", INTERVAL_SECONDS, work=self.seal, finish=self.seal)

    def start(self) -> None:
        """Start sealing in the background."""
        self._periodic.start()

    async def stop(self) -> None:
        """Seal the remaining rows, if the database responds in time, and stop."""
        await self._periodic.stop()

    async def seal(self) -> None:
        """Seal all queued rows, unless another replica is sealing."""
        self._rounds += 1
        if self._rounds % _ROUNDS_BETWEEN_RETRIES_OF_REFUSED == 0:
            self._refused.clear()
        while await self._seal_batch() == _BATCH_ROWS:
            pass
        if self._observer is not None:
            async with self._db.system_transaction() as session:
                self._observer.round_ended(await queries.get_lag_seconds(session))

    async def _seal_batch(self) -> int:
        """Seal the oldest unsealed rows; return how many were read."""
        async with self._db.system_transaction() as session:
            if not await queries.claim_sealing(session):
                return 0
            rows = await queries.list_unsealed(session, _BATCH_ROWS, self._refused)
            heads = await self._heads(session, {row.chain for row in rows})
            sealable = [row for row in rows if row.chain in heads]
            await self._append(session, heads, sealable)
        if self._observer is not None:
            self._observer.sealed(len(sealable))
        return len(rows)

    async def _heads(self, session: Executor, chains: set[uuid.UUID]) -> dict[uuid.UUID, Link]:
        """Return the ends of chains. Refuse and omit chains whose end is not authentic."""
        ends = await queries.get_chain_ends(session, chains) if chains else {}
        heads = {chain: head for chain, end in ends.items() if (head := end.verified_head(self._key, chain))}
        for chain in chains - heads.keys():
            self._refused.add(chain)
            _log.error("the end of an audit chain is not authentic: its rows are not sealed", chain=str(chain))
        return heads

    async def _append(self, session: Executor, heads: dict[uuid.UUID, Link], rows: Sequence[SealableRow]) -> None:
        if not rows:
            return
        seals = []
        for row in rows:
            row_hash = self._key.row_hash(row)
            heads[row.chain] = self._key.next_link(row.chain, heads[row.chain], row_hash)
            seals.append(Seal(row.chain, row.id, row_hash, heads[row.chain]))
        await queries.add_seals(session, seals)
        await queries.put_heads(
            session, [(chain, head, self._key.head_mac(chain, head)) for chain, head in heads.items()]
        )
        await queries.remove_unsealed(session, rows)
