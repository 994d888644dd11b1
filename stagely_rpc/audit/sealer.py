"""The sealer: gives every row of the trail its place in its team's chain, within a second of its commit.

It is apart from what writes the rows: a chain has one end, and whoever appends to it at write would hold that end until
the commit, so that a team's writes would wait for each other (docs/decisions/0006). One replica seals at a time; each
batch is one transaction, so that whenever a process dies, a row is either queued or sealed.
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
        """Looks on at the sealer."""

        def sealed(self, rows: int) -> None:
            """So many rows have got their seals."""

        def round_ended(self, lag_seconds: float) -> None:
            """The sealer has done what it could; the oldest row without a seal is so old."""


INTERVAL_SECONDS = 0.4

_BATCH_ROWS = 500
_ROUNDS_UNTIL_REFUSED_ARE_TRIED_AGAIN = 150

_log = structlog.get_logger(__name__)


class Sealer:
    """Seals rows in the background.

    A chain whose end was tampered with is not continued: that would seal the tampering too. Its rows stay in the queue,
    and the log says so once a minute.
    """

    def __init__(self, db: Database, key: ChainKey, observer: SealerObserver | None = None) -> None:
        """Take what the sealer needs.

        Args:
            db: where the trail is.
            key: of its chains.
            observer: told of each round; without one, nobody asks how far behind the seals are.
        """
        self._observer = observer
        self._db = db
        self._key = key
        self._refused: set[uuid.UUID] = set()
        self._rounds = 0
        self._periodic = Periodic("audit sealer", INTERVAL_SECONDS, work=self.seal, finish=self.seal)

    def start(self) -> None:
        """Begin to seal."""
        self._periodic.start()

    async def stop(self) -> None:
        """Seal what is left, if the database answers in time, and end."""
        await self._periodic.stop()

    async def seal(self) -> None:
        """Seal all rows that are queued, unless another replica does."""
        self._rounds += 1
        if self._rounds % _ROUNDS_UNTIL_REFUSED_ARE_TRIED_AGAIN == 0:
            self._refused.clear()
        while await self._seal_batch() == _BATCH_ROWS:
            pass
        if self._observer is not None:
            async with self._db.system_transaction() as session:
                self._observer.round_ended(await queries.get_lag_seconds(session))

    async def _seal_batch(self) -> int:
        """Seal the oldest rows; return how many were looked at."""
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
        """Return where chains end, and refuse those that end elsewhere than they were left."""
        ends = await queries.get_chain_ends(session, chains) if chains else {}
        heads = {chain: head for chain, end in ends.items() if (head := end.left_by(self._key, chain))}
        for chain in chains - heads.keys():
            self._refused.add(chain)
            _log.error("the end of an audit chain does not authenticate: its rows are not sealed", chain=str(chain))
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
