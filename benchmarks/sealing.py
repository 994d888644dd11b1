"""The sealing of the audit trail, paused and waited for, so that a measurement pays for its own rows and no others."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from benchmarks.processes import BenchmarkError
from stagely_rpc.audit.queries import SEALING_LOCK

if TYPE_CHECKING:
    from collections.abc import Iterator

_SETTLE_SECONDS = 120.0
_POLL_SECONDS = 0.05


class Sealing:
    """What the sealers of all servers over one database do."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    @classmethod
    @contextmanager
    def of(cls, database_url: str) -> Iterator[Sealing]:
        """Connect."""
        with psycopg.connect(database_url, autocommit=True) as connection:
            yield cls(connection)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Be the one who seals, and seal nothing."""
        self._connection.execute("SELECT pg_advisory_lock(%s)", [SEALING_LOCK])
        try:
            yield
        finally:
            self._connection.execute("SELECT pg_advisory_unlock(%s)", [SEALING_LOCK])

    def settle(self) -> None:
        """Wait until every entry is sealed.

        Raises:
            BenchmarkError: the sealer does not finish in time.
        """
        deadline = time.monotonic() + _SETTLE_SECONDS
        while self._is_behind():
            if time.monotonic() > deadline:
                raise BenchmarkError(f"rows of the audit trail are not sealed within {_SETTLE_SECONDS:g} s")
            time.sleep(_POLL_SECONDS)

    def _is_behind(self) -> bool:
        # Revisions before the trail have no queue.
        (queue,) = self._connection.execute("SELECT to_regclass('audit_unsealed')").fetchone() or (None,)
        return bool(queue and self._connection.execute("SELECT FROM audit_unsealed LIMIT 1").rowcount)
