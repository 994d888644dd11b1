"""Observers of key use, for metrics and traces. They see the ids of keys, never a value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

Operation = Literal["seal", "open", "wrap", "unwrap"]


class KeyObserver(Protocol):
    """Is called after each use of a key."""

    def used(
        self, operation: Operation, key: str, data_key: uuid.UUID, began: float, error: BaseException | None
    ) -> None:
        """A value was sealed or opened, a data key was wrapped or unwrapped, or one of these failed.

        Args:
            operation: what was done.
            key: the id of the key-encryption key.
            data_key: the id of the data key.
            began: by `time.perf_counter()`.
            error: why it failed; None if it did not.
        """

    def looked_up(self, *, hit: bool) -> None:
        """The cache of data keys was searched."""


class NullObserver:
    """Ignores everything."""

    def _ignore(self, *_: Any, **__: Any) -> None:
        pass

    used = looked_up = _ignore


NULL_OBSERVER = NullObserver()


class CompositeObserver:
    """Passes each call on to several observers."""

    def __init__(self, *observers: KeyObserver) -> None:
        """Take the observers."""
        self._observers = observers

    def used(
        self, operation: Operation, key: str, data_key: uuid.UUID, began: float, error: BaseException | None
    ) -> None:
        """Pass the use on."""
        for each in self._observers:
            each.used(operation, key, data_key, began, error)

    def looked_up(self, *, hit: bool) -> None:
        """Pass the lookup on."""
        for each in self._observers:
            each.looked_up(hit=hit)


def all_of(observers: Sequence[KeyObserver]) -> KeyObserver:
    """Return one observer for any number of them."""
    if len(observers) > 1:
        return CompositeObserver(*observers)
    return observers[0] if observers else NULL_OBSERVER
