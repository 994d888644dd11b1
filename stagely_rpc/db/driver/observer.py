"""Observers of database work: metrics, traces, or none."""

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
"""The kind of a round trip, as in the metrics.

- `batch`: point reads and audit entries of many calls.
- `read`: reads of one call, such as a page of a list.
- `write`: BEGIN and the statements of a write session before its COMMIT.
- `commit`: the queued writes of a write session and its COMMIT.
- `maintain`: statements of background jobs.
"""


class Observer(Protocol):
    """Receives events after each step. The methods run inside calls, so they must be fast."""

    def batch_sent(self, work: str, calls: Sequence[Call | None]) -> None:
        """A batch is about to be sent. It has an item for each call; None is a background job.

        Called in the task of the batch, before the round trip. It may be called again for a single item.
        """

    def answered(self, work: str, began: float, error: BaseException | None) -> None:
        """A call received its result from a batch, or the error."""

    def exchanged(self, kind: Kind, steps: Sequence[Step], began: float, error: BaseException | None) -> None:
        """A round trip ended, successfully or not. `steps` is empty for statements that SQLAlchemy executes."""

    def waited(self, began: float, error: BaseException | None) -> None:
        """A wait for a connection ended: with a connection, or with an error such as a timeout."""

    def opened(self) -> None:
        """A connection was opened."""

    def lost(self) -> None:
        """A connection broke."""


class NullObserver:
    """Ignores all events."""

    def _ignore(self, *_: Any, **__: Any) -> None:
        pass

    batch_sent = answered = exchanged = waited = opened = lost = _ignore


NULL_OBSERVER = NullObserver()


class CompositeObserver:
    """Forwards events to several observers."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def batch_sent(self, work: str, calls: Sequence[Call | None]) -> None:
        """Forward the event."""
        for each in self._observers:
            each.batch_sent(work, calls)

    def answered(self, work: str, began: float, error: BaseException | None) -> None:
        """Forward the event."""
        for each in self._observers:
            each.answered(work, began, error)

    def exchanged(self, kind: Kind, steps: Sequence[Step], began: float, error: BaseException | None) -> None:
        """Forward the event."""
        for each in self._observers:
            each.exchanged(kind, steps, began, error)

    def waited(self, began: float, error: BaseException | None) -> None:
        """Forward the event."""
        for each in self._observers:
            each.waited(began, error)

    def opened(self) -> None:
        """Forward the event."""
        for each in self._observers:
            each.opened()

    def lost(self) -> None:
        """Forward the event."""
        for each in self._observers:
            each.lost()


def all_of(observers: Sequence[Observer]) -> Observer:
    """Return one observer for any number of observers."""
    if len(observers) > 1:
        return CompositeObserver(*observers)
    return observers[0] if observers else NULL_OBSERVER


class Timed:
    """A context manager that reports the start and the end of a block. Cheaper than a generator-based one."""

    __slots__ = ("_began", "_report", "_subject")

    def __init__(self, report: Callable[..., None], *subject: object) -> None:
        """Take the function to call.

        Args:
            report: called at the end with the subject, the start (`time.perf_counter()`), and the error or None.
            subject: the first arguments.
        """
        self._report = report
        self._subject = subject

    def __enter__(self) -> Self:
        self._began = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._report(*self._subject, self._began, error)
