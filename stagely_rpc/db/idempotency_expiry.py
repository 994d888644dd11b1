"""Removes answers that have been kept for long enough, a few at a time, so that nothing waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely_rpc.background import Periodic
from stagely_rpc.db import idempotency

if TYPE_CHECKING:
    from stagely_rpc.db.database import Database

_INTERVAL_SECONDS = 60.0
_BATCH = 500


class Expiry:
    """Looks every minute; several replicas that look at once take different rows."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._periodic = Periodic("answer expiry", _INTERVAL_SECONDS, work=self.sweep)

    def start(self) -> None:
        """Begin to look."""
        self._periodic.start()

    async def stop(self) -> None:
        """Look no more."""
        await self._periodic.stop()

    async def sweep(self) -> None:
        """Remove what has expired, each batch in a transaction of its own."""
        while await self._sweep_batch() == _BATCH:
            pass

    async def _sweep_batch(self) -> int:
        async with self._db.maintain() as session:
            return await idempotency.delete_expired(session, _BATCH)
