"""The event that the server drains."""

from __future__ import annotations

import asyncio


class Draining:
    """The event that the server drains: after the pause, it waits for unary calls and ends streams.

    A long poll waits for this event too, and returns early.
    """

    def __init__(self) -> None:
        self._event = asyncio.Event()

    @property
    def has_begun(self) -> bool:
        """Whether the server drains."""
        return self._event.is_set()

    def begin(self) -> None:
        """Set the event. It is never cleared."""
        self._event.set()

    async def wait(self) -> None:
        """Wait until the server drains."""
        await self._event.wait()
