"""What is counted of the audit trail: how far its seals are behind, and what was denied."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class TrailMetrics:
    """The metrics of the trail: an observer of the sealer (`audit.sealer.SealerObserver`), and of denials."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self._lag = Gauge(
            "stagely_rpc_audit_lag_seconds",
            "Age of the oldest row of the audit trail that has no seal yet; 0 if each has one.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._round = Gauge(
            "stagely_rpc_audit_sealer_round_timestamp_seconds",
            "When the sealer has last finished a round, in seconds since 1970.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._sealed = Counter("stagely_rpc_audit_rows_sealed", "Rows of the audit trail sealed.", registry=registry)
        self._denials = Counter("stagely_rpc_denials", "Calls denied, by the reason.", ["reason"], registry=registry)

    def sealed(self, rows: int) -> None:
        """Count rows that have their seals."""
        self._sealed.inc(rows)

    def round_ended(self, lag_seconds: float) -> None:
        """Make known that the sealer works, and how far behind it is."""
        self._lag.set(lag_seconds)
        self._round.set(time.time())

    def denied(self, reason: str) -> None:
        """Count a denied call."""
        self._denials.labels(reason).inc()
