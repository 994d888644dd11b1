"""The metrics of keys: their uses by key-encryption key and outcome. No data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class KeyMetrics:
    """The metrics of keys. It observes the keyring (`crypto.observer.KeyObserver`)."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self._uses = Counter(
            "stagely_rpc_key_uses",
            "Values sealed and opened, and data keys wrapped and unwrapped, by the id of the key-encryption key.",
            ["key_encryption_key", "operation", "outcome"],
            registry=registry,
        )
        lookups = Counter(
            "stagely_rpc_data_key_cache_lookups",
            "Data keys found in the cache (hit), or unwrapped (miss).",
            ["result"],
            registry=registry,
        )
        self._count_hit, self._count_miss = lookups.labels("hit").inc, lookups.labels("miss").inc
        self._by_labels: dict[tuple[str, str, str], Counter] = {}

    def used(self, operation: str, key: str, data_key: object, began: float, error: BaseException | None) -> None:
        """Count a use of a key."""
        del data_key, began
        labels = key, operation, "ok" if error is None else "failed"
        counter = self._by_labels.get(labels)
        if counter is None:
            counter = self._by_labels[labels] = self._uses.labels(*labels)
        counter.inc()

    def looked_up(self, *, hit: bool) -> None:
        """Count a lookup in the cache of data keys."""
        (self._count_hit if hit else self._count_miss)()
