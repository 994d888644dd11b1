"""The metrics of the audit log: the lag of sealing, and denials."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class AuditMetrics:
    """The metrics of the audit log. It observes the sealer (`audit.sealer.SealerObserver`) and denials."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self._lag = Gauge(
            "stagely_rpc_audit_lag_seconds",
            "Age of the oldest unsealed entry of the audit log; 0 if all are sealed.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._round = Gauge(
            "stagely_rpc_audit_sealer_round_timestamp_seconds",
            "When the sealer last finished a round, in seconds since 1970.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._sealed = Counter("stagely_rpc_audit_rows_sealed", "Sealed entries of the audit log.", registry=registry)
        self._denials = Counter("stagely_rpc_denials", "Denied calls, by reason.", ["reason"], registry=registry)

    def sealed(self, rows: int) -> None:
        """Count sealed entries."""
        self._sealed.inc(rows)

    def round_ended(self, lag_seconds: float) -> None:
        """Set the time of the last round, and the lag."""
        self._lag.set(lag_seconds)
        self._round.set(time.time())

    def denied(self, reason: str) -> None:
        """Count a denied call."""
        self._denials.labels(reason).inc()
