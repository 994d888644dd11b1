"""That the server drains, which it makes known once to all who wait for it."""

from __future__ import annotations

import asyncio


class Draining:
    """The event that the server drains: after its pause, it lets unary calls end and ends streams itself.

    A unary call that waits for something, such as a long poll, waits for this too, and then answers with what it has.
    """

    def __init__(self) -> None:
        self._event = asyncio.Event()

    @property
    def has_begun(self) -> bool:
        """Whether the server drains."""
        return self._event.is_set()

    def begin(self) -> None:
        """Make it known. A server that drains does not serve again."""
        self._event.set()

    async def wait(self) -> None:
        """Wait until the server drains."""
        await self._event.wait()
