"""Ends a stream from outside its handler."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

Result = TypeVar("Result")


async def run_until(work: Coroutine[Any, Any, Result], interruption: Coroutine[Any, Any, NoReturn]) -> Result:
    """Run the handler of a stream until it ends, or until the interruption raises.

    The interruption, or a cancellation of the call, cancels the handler. The handler has ended when this returns.

    Raises:
        Exception: the error of the handler, or else of the interruption.
    """
    working, interrupting = asyncio.create_task(work), asyncio.create_task(interruption)
    try:
        await asyncio.wait((working, interrupting), return_when=asyncio.FIRST_COMPLETED)
        first: asyncio.Task[Result] | asyncio.Task[NoReturn] = working if working.done() else interrupting
    finally:
        working.cancel()
        interrupting.cancel()
        await asyncio.gather(working, interrupting, return_exceptions=True)
    return first.result()
