"""Whoever looks on at the use of keys: metrics and traces, or nobody. They see the keys' ids, and never a value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

Operation = Literal["seal", "open", "wrap", "unwrap"]


class KeyObserver(Protocol):
    """Told of each use when it is over."""

    def used(
        self, operation: Operation, key: str, data_key: uuid.UUID, began: float, error: BaseException | None
    ) -> None:
        """A value was sealed or opened by a data key, or a data key was wrapped or unwrapped; or that failed.

        Args:
            operation: what was done.
            key: the id of the key-encryption key.
            data_key: the id of the data key.
            began: by `time.perf_counter()`.
            error: why it failed.
        """

    def looked_up(self, *, hit: bool) -> None:
        """A data key was looked for among those that are ready to use."""


class _Nobody:
    """Sees nothing."""

    def _ignore(self, *_: Any, **__: Any) -> None:
        pass

    used = looked_up = _ignore


NOBODY = _Nobody()


class _Several:
    def __init__(self, *observers: KeyObserver) -> None:
        self._observers = observers

    def used(
        self, operation: Operation, key: str, data_key: uuid.UUID, began: float, error: BaseException | None
    ) -> None:
        for each in self._observers:
            each.used(operation, key, data_key, began, error)

    def looked_up(self, *, hit: bool) -> None:
        for each in self._observers:
            each.looked_up(hit=hit)


def all_of(observers: Sequence[KeyObserver]) -> KeyObserver:
    """Return one observer for any number of them."""
    if len(observers) > 1:
        return _Several(*observers)
    return observers[0] if observers else NOBODY
