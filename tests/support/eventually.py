from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from structlog.typing import EventDict

Value = TypeVar("Value")


async def logged(logs: Sequence[EventDict], count: int, **fields: object) -> list[EventDict]:
    """Wait for a number of captured log entries with these fields, and return the entries.

    The wait is needed because the caller of an RPC may get its response before the call is logged.
    """

    async def found() -> int:
        return len(matching())

    def matching() -> list[EventDict]:
        return [log for log in logs if log.items() >= fields.items()]

    await eventually(found, count)
    return matching()


async def eventually(read: Callable[[], Awaitable[Value]], expected: Value, *, seconds: float = 5) -> None:
    """Wait until `read` returns the expected value. Fail after the time limit."""
    deadline = asyncio.get_running_loop().time() + seconds
    while (seen := await read()) != expected:
        assert asyncio.get_running_loop().time() < deadline, f"still {seen!r}, not {expected!r}"
        await asyncio.sleep(0.01)
