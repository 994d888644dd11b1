from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Value = TypeVar("Value")


async def eventually(look: Callable[[], Awaitable[Value]], expected: Value, *, seconds: float = 5) -> None:
    """Expect that what is looked at becomes a value in time."""
    deadline = asyncio.get_running_loop().time() + seconds
    while (seen := await look()) != expected:
        assert asyncio.get_running_loop().time() < deadline, f"still {seen!r}, not {expected!r}"
        await asyncio.sleep(0.01)
