"""Batches: what callers ask for one by one, asked of the database together.

gRPC hands over one call per turn of the event loop, so a batch that left at once would have one member, and one that
waited for a time would make a lone caller wait. A batch leaves when the loop was quiet: when, for some turns in a row,
nothing more came. That costs a lone caller microseconds, and callers in flight together share a statement by
themselves.

Whatever is asked is asked of the database after it came: a batch that is under way takes no more members. (The
libraries for this dispatch at the end of a turn, and keep what they have read.)
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
        """Sends queries together, each time on a connection of its own, and returns their results."""

        async def __call__(self, *queries: Query[Any]) -> list[Any]: ...  # noqa: D102


Item = TypeVar("Item")
Item_contra = TypeVar("Item_contra", contravariant=True)
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)

QUIET_TURNS = 16
"""For so many turns of the loop in a row, nothing more must have come before a batch leaves."""

MAX_ITEMS = 256
"""A batch of so many leaves at once: however many callers there are, statements and waits are bounded."""


class Batchable(Protocol[Item_contra, Result_co]):
    """Something that can be done for many at the cost of one.

    Attributes:
        name: for the metrics.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    async def perform(self, ask: Ask, items: Sequence[Item_contra]) -> Sequence[Result_co]:
        """Do it for each item, and return a result for each, in their order."""
        ...


class _Failed:
    """What became of an item that failed, in place of its result."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


Waiting = list[tuple[Any, "asyncio.Future[Any]", "Call | None"]]


class _Batch:
    """Items that are asked for together, and how many of those who asked still wait."""

    __slots__ = ("callers", "task", "waiting")

    def __init__(self) -> None:
        self.waiting: Waiting = []
        self.callers = 0
        self.task: asyncio.Task[None] | None = None

    def caller_cancelled(self) -> None:
        """One of the callers was cancelled: what nobody waits for any more is cancelled in the database too."""
        self.callers -= 1
        if not self.callers and self.task is not None:
            self.task.cancel()


class Batches:
    """Gathers items by what is to be done with them, and does it for many at a time."""

    def __init__(self, ask: Ask, observer: Observer = NULL_OBSERVER) -> None:
        """Take what a batch is sent with.

        Args:
            ask: sends queries.
            observer: sees each batch, and each item's answer.
        """
        self._ask = ask
        self._observer = observer
        self._gathered: dict[Batchable[Any, Any], _Batch] = {}
        self._arrivals = 0
        self._gathering: asyncio.Task[None] | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    async def do(self, work: Batchable[Item, Result], item: Item) -> Result:
        """Have work done with an item, together with what else is asked for at this time, and return its result.

        Raises:
            StagelyError: the database refused, or can't be asked.
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
        """Wait for the batches under way; whoever asks from now on waits in vain."""
        tasks = {*self._under_way, *([self._gathering] if self._gathering else [])}
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
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _perform(self, work: Batchable[Any, Any], waiting: Waiting) -> None:
        # Whoever was cancelled wants nothing any more.
        wanted = [(item, future, call) for item, future, call in waiting if not future.done()]
        if not wanted:
            return
        self._observer.batch_sent(work.name, [call for _, _, call in wanted])
        try:
            results: Sequence[Any] = await work.perform(self._ask, [item for item, _, _ in wanted])
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever waits is told
            await self._fail(work, wanted, error)
            return
        for (_, future, _), result in zip(wanted, results, strict=True):
            _tell(future, result)

    async def _fail(self, work: Batchable[Any, Any], wanted: Waiting, error: Exception) -> None:
        """Tell the one that failed; of many, find out which it is by asking for each alone.

        A database that is away or has too much to do fails them all: asking for each would be asking too much.
        """
        if len(wanted) == 1:
            _tell(wanted[0][1], _Failed(error))
            return
        if isinstance(error, TransientError):
            for _, future, _ in wanted:
                # Each caller raises an error of its own, with a traceback of its own.
                _tell(future, _Failed(copy(error)))
            return
        for each in wanted:
            await self._perform(work, [each])


def _value_of(result: Result | _Failed) -> Result:
    if isinstance(result, _Failed):
        raise result.error
    return result


def _tell(future: asyncio.Future[Any], result: object) -> None:
    if not future.done():
        future.set_result(cast("Any", result))
