"""Observers of key use, for metrics and traces. They see the ids of keys, never a value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

Operation = Literal["seal", "open", "wrap", "unwrap"]


class KeyObserver(Protocol):
    """Receives an event after each use of a key. Runs inside the call, so it must be fast."""

    def used(
        self, operation: Operation, key: str, data_key: uuid.UUID, began: float, error: BaseException | None
    ) -> None:
        """A value was sealed or opened, a data key was wrapped or unwrapped, or one of these failed.

        Args:
            operation: what was done.
            key: the id of the key-encryption key.
            data_key: the id of the data key.
            began: when it began, by `time.perf_counter()`.
            error: why it failed; None if it did not.
        """

    def looked_up(self, *, hit: bool) -> None:
        """The cache of data keys was searched."""


class NullObserver:
    """Ignores every event."""

    def _ignore(self, *_: Any, **__: Any) -> None:
        pass

    used = looked_up = _ignore


NULL_OBSERVER = NullObserver()


class CompositeObserver:
    """Forwards each event to every observer."""

    def __init__(self, *observers: KeyObserver) -> None:
        """Take the observers."""
        self._observers = observers

    def used(
        self, operation: Operation, key: str, data_key: uuid.UUID, began: float, error: BaseException | None
    ) -> None:
        """Forward the use."""
        for observer in self._observers:
            observer.used(operation, key, data_key, began, error)

    def looked_up(self, *, hit: bool) -> None:
        """Forward the lookup."""
        for observer in self._observers:
            observer.looked_up(hit=hit)


def combine(observers: Sequence[KeyObserver]) -> KeyObserver:
    """Return one observer that forwards to all given observers."""
    if len(observers) > 1:
        return CompositeObserver(*observers)
    return observers[0] if observers else NULL_OBSERVER
