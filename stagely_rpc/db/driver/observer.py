"""Whoever looks on at what the service asks of its database: metrics and traces, or nobody."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from stagely_rpc.call import Call
    from stagely_rpc.db.driver.pipeline import Command
    from stagely_rpc.db.sql.statement import Query

    Step = Query[Any] | Command

Kind = Literal["batch", "read", "write", "commit", "maintain"]
"""What is asked: point reads of many calls; what one call reads, such as a page of a list; what a transaction begins
with, and how it ends; and the service's own work."""


class Observer(Protocol):
    """Told of everything when it is over. What it does with that, it does within a call: it must be quick."""

    def batch_sent(self, work: str, calls: Sequence[Call | None]) -> None:
        """A batch of some work leaves, with an item for each of these calls; None is the service's own work.

        It is told in the task of the batch, in which the database is asked next, and it may be told again: of one item.
        """

    def answered(self, work: str, began: float, error: BaseException | None) -> None:
        """A call has got its item of a batch, or the error."""

    def exchanged(self, kind: Kind, steps: Sequence[Step], began: float, error: BaseException | None) -> None:
        """The database has answered, or failed; of what SQLAlchemy executes, the steps are not known."""

    def waited(self, began: float, error: BaseException | None) -> None:
        """A connection was had, or not in time."""

    def opened(self) -> None:
        """A connection was opened."""

    def lost(self) -> None:
        """A connection broke."""


class NullObserver:
    """Sees nothing."""

    def _ignore(self, *_: Any, **__: Any) -> None:
        pass

    batch_sent = answered = exchanged = waited = opened = lost = _ignore


NULL_OBSERVER = NullObserver()


class CompositeObserver:
    """More than one."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def batch_sent(self, work: str, calls: Sequence[Call | None]) -> None:
        """Tell all."""
        for each in self._observers:
            each.batch_sent(work, calls)

    def answered(self, work: str, began: float, error: BaseException | None) -> None:
        """Tell all."""
        for each in self._observers:
            each.answered(work, began, error)

    def exchanged(self, kind: Kind, steps: Sequence[Step], began: float, error: BaseException | None) -> None:
        """Tell all."""
        for each in self._observers:
            each.exchanged(kind, steps, began, error)

    def waited(self, began: float, error: BaseException | None) -> None:
        """Tell all."""
        for each in self._observers:
            each.waited(began, error)

    def opened(self) -> None:
        """Tell all."""
        for each in self._observers:
            each.opened()

    def lost(self) -> None:
        """Tell all."""
        for each in self._observers:
            each.lost()


def all_of(observers: Sequence[Observer]) -> Observer:
    """Return one observer for any number of them."""
    if len(observers) > 1:
        return CompositeObserver(*observers)
    return observers[0] if observers else NULL_OBSERVER


class Timed:
    """A block of which an observer is told when it began and how it ended; a manager made of a generator costs more."""

    __slots__ = ("_began", "_subject", "_tell")

    def __init__(self, tell: Callable[..., None], *subject: object) -> None:
        """Take whom to tell.

        Args:
            tell: called with the subject, when the block began by `time.perf_counter()`, and its error or None.
            subject: what it is about.
        """
        self._tell = tell
        self._subject = subject

    def __enter__(self) -> Self:
        self._began = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._tell(*self._subject, self._began, error)
