"""Batches: items of many callers, sent to the database in one round trip.

gRPC delivers one call per iteration of the event loop. A batch that is sent at once would have one item, and a batch
that waits for a fixed time would delay a single caller. So a batch is sent when the loop is quiet: when no item was
added for some iterations in a row. A single caller waits for microseconds, and concurrent callers share a statement.

A batch that was sent takes no more items, so every read starts after its caller called `do`. (Existing
dataloader libraries send at the end of an iteration, and cache what they have read.)
"""

from __future__ import annotations

import asyncio
from copy import copy
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from stagely_rpc.call import current_call
from stagely_rpc.db.driver.observer import NULL_OBSERVER, Timed
from stagely_rpc.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stagely_rpc.call import Call
    from stagely_rpc.db.driver.observer import Observer
    from stagely_rpc.db.sql.statement import Query

    class Ask(Protocol):
        """Sends queries in one round trip on one connection, and returns their results."""

        async def __call__(self, *queries: Query[Any]) -> list[Any]: ...  # noqa: D102


Item = TypeVar("Item")
Item_contra = TypeVar("Item_contra", contravariant=True)
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)

QUIET_TURNS = 16
"""The number of iterations without a new item after which a batch is sent."""

MAX_ITEMS = 256
"""The maximum size of a batch. A full batch is sent at once."""


class Batchable(Protocol[Item_contra, Result_co]):
    """Work that one statement can do for many items.

    Attributes:
        name: the name in the metrics.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    async def perform(self, ask: Ask, items: Sequence[Item_contra]) -> Sequence[Result_co]:
        """Process the items, and return their results in the same order."""
        ...


class _Failed:
    """The error of an item, in place of its result."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


Waiting = list[tuple[Any, "asyncio.Future[Any]", "Call | None"]]


class _Batch:
    """The items of a batch, and the number of callers that still wait."""

    __slots__ = ("callers", "task", "waiting")

    def __init__(self) -> None:
        self.waiting: Waiting = []
        self.callers = 0
        self.task: asyncio.Task[None] | None = None

    def caller_cancelled(self) -> None:
        """Note that a caller was cancelled. If no caller waits any more, cancel the statement too."""
        self.callers -= 1
        if not self.callers and self.task is not None:
            self.task.cancel()


class Batches:
    """Collects items by their work, and processes them in batches."""

    def __init__(self, ask: Ask, observer: Observer = NULL_OBSERVER) -> None:
        """Take the sender and the observer.

        Args:
            ask: sends queries.
            observer: observes batches and the waits of their items.
        """
        self._ask = ask
        self._observer = observer
        self._gathered: dict[Batchable[Any, Any], _Batch] = {}
        self._arrivals = 0
        self._gathering: asyncio.Task[None] | None = None
        self._running: set[asyncio.Task[None]] = set()

    async def do(self, work: Batchable[Item, Result], item: Item) -> Result:
        """Process an item in a batch with concurrent items, and return its result.

        Raises:
            StagelyError: the database refused the statement or is unavailable.
        """
        future: asyncio.Future[Result | _Failed] = asyncio.get_running_loop().create_future()
        batch = self._gathered.get(work)
        if batch is None:
            batch = self._gathered[work] = _Batch()
        batch.waiting.append((item, future, current_call.get(None)))
        batch.callers += 1
        self._arrivals += 1
        if len(batch.waiting) >= MAX_ITEMS:
            self._send(work)
        if self._gathering is None:
            self._gathering = asyncio.create_task(self._gather(), name="batches")
        try:
            with Timed(self._observer.answered, work.name):
                return _value_of(await future)
        except asyncio.CancelledError:
            batch.caller_cancelled()
            raise

    async def close(self) -> None:
        """Wait for the batches that were sent. Later items are never sent."""
        tasks = {*self._running, *([self._gathering] if self._gathering else [])}
        if tasks:
            await asyncio.wait(tasks)

    async def _gather(self) -> None:
        seen, quiet_turns = self._arrivals, 0
        while quiet_turns < QUIET_TURNS:
            await asyncio.sleep(0)
            quiet_turns = quiet_turns + 1 if self._arrivals == seen else 0
            seen = self._arrivals
        self._gathering = None
        for work in list(self._gathered):
            self._send(work)

    def _send(self, work: Batchable[Any, Any]) -> None:
        batch = self._gathered.pop(work)
        batch.task = task = asyncio.create_task(self._perform(work, batch.waiting), name=f"batch of {work.name}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _perform(self, work: Batchable[Any, Any], waiting: Waiting) -> None:
        # The future of a cancelled caller is done: skip its item.
        wanted = [(item, future, call) for item, future, call in waiting if not future.done()]
        if not wanted:
            return
        self._observer.batch_sent(work.name, [call for _, _, call in wanted])
        try:
            results: Sequence[Any] = await work.perform(self._ask, [item for item, _, _ in wanted])
        except Exception as error:  # noqa: BLE001 - the callers raise it
            await self._fail(work, wanted, error)
            return
        for (_, future, _), result in zip(wanted, results, strict=True):
            _resolve(future, result)

    async def _fail(self, work: Batchable[Any, Any], wanted: Waiting, error: Exception) -> None:
        """Fail the item that caused an error. To find it among many, process each item alone.

        If the database is unavailable or overloaded, all items fail at once, because retries would add load.
        """
        if len(wanted) == 1:
            _resolve(wanted[0][1], _Failed(error))
            return
        if isinstance(error, TransientError):
            for _, future, _ in wanted:
                # Each caller gets its own copy of the error, with its own traceback.
                _resolve(future, _Failed(copy(error)))
            return
        for each in wanted:
            await self._perform(work, [each])


def _value_of(result: Result | _Failed) -> Result:
    if isinstance(result, _Failed):
        raise result.error
    return result


def _resolve(future: asyncio.Future[Any], result: object) -> None:
    if not future.done():
        future.set_result(cast("Any", result))
