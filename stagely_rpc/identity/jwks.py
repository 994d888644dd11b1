"""The key set of the token issuer: cached, and read again when it may have changed."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from stagely_rpc.errors import UnauthenticatedError, UnavailableError
from stagely_rpc.identity.keys import KeySetError, VerificationKey, keys_in
from stagely_rpc.identity.sources import source_at

if TYPE_CHECKING:
    from collections.abc import Callable

WAIT_SECONDS = 5
ON_DEMAND_SECONDS = 60
"""An unknown key has the set read again once in this time."""
RETRY_SECONDS = 60

_log = structlog.get_logger(__name__)


class KeySet:
    """The keys at a URL or in a file. What is wrong with the newest document leaves those of the last good one in use.

    The set is read in the background: every 10 minutes from a URL, every 5 seconds from a file, so that a key that
    was withdrawn is soon refused; and when a token names a key that is not in it. There is one read at a time.
    """

    def __init__(self, location: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Know where the set is; `start` reads it.

        Args:
            location: a path, or a URL: https, or http of this host.
            clock: tells the time in seconds.
        """
        self._source = source_at(location)
        self._clock = clock
        self._document: bytes | None = None
        self._keys: tuple[VerificationKey, ...] = ()
        self._failure: str | None = None
        self._next_on_demand = clock()
        self._reading: asyncio.Task[None] | None = None
        self._polling: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read the set, and keep it fresh from now on.

        Raises:
            KeySetError: it is in a file that can't be read or has no usable key. A URL may be away for now.
        """
        await self._read()
        if self._source.is_local and not self._keys:
            raise KeySetError(
                f"the key set {self._source.name} can't be used: {self._failure or 'it has no usable key'}"
            )
        self._polling = asyncio.create_task(self._poll(), name="jwks-poll")

    async def stop(self) -> None:
        """Read it no more."""
        tasks = [task for task in (self._polling, self._reading) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def holds(self, key: VerificationKey) -> bool:
        """Tell whether a key that was found is still in the set."""
        return key in self._keys

    async def find(self, key_id: str | None, algorithm: str) -> VerificationKey:
        """Return the key that a token names; one that is unknown has the set read again, at most once a minute.

        A token may name none where the set has but one key for its algorithm (OpenID Connect Core, 10.1).

        Raises:
            UnauthenticatedError: there is no such key.
            UnavailableError: that can't be known, since the set could not be read.
        """
        key = self._known(key_id, algorithm)
        if key is None and await self._read_on_demand():
            key = self._known(key_id, algorithm)
        if key is not None:
            return key
        if self._failure is None:
            raise UnauthenticatedError("the token's key is unknown", reason="TOKEN_KEY_UNKNOWN")
        raise _unavailable()

    def _known(self, key_id: str | None, algorithm: str) -> VerificationKey | None:
        candidates = [
            key for key in self._keys if key.algorithm == algorithm and (key_id is None or key.key_id == key_id)
        ]
        return candidates[0] if len(candidates) == 1 else None

    async def _read_on_demand(self) -> bool:
        """Wait for the read under way, or for one that is begun if it is time for one; tell whether there was any."""
        now = self._clock()
        if self._reading is None:
            if now < self._next_on_demand:
                return False
            self._next_on_demand = now + ON_DEMAND_SECONDS
        # The read outlives those who wait for it: a caller that goes away takes nothing from the others.
        reading = self._read_once()
        await asyncio.wait({reading}, timeout=WAIT_SECONDS)
        if not reading.done():
            raise _unavailable()
        return True

    def _read_once(self) -> asyncio.Task[None]:
        if self._reading is None:
            self._reading = asyncio.create_task(self._read(), name="jwks-read")
            self._reading.add_done_callback(self._forget_reading)
        return self._reading

    def _forget_reading(self, _: asyncio.Task[None]) -> None:
        self._reading = None

    async def _read(self) -> None:
        try:
            document = await self._source.read()
            if document != self._document:
                self._keys = await asyncio.to_thread(keys_in, document)
                self._document = document
                _log.info("key set read", source=self._source.name, keys=len(self._keys))
        except KeySetError as error:
            self._note_failure(str(error))
        else:
            self._failure = None

    def _note_failure(self, reason: str) -> None:
        if reason != self._failure:
            _log.error("key set not read, the old one stays in use", source=self._source.name, reason=reason)
        self._failure = reason

    async def _poll(self) -> None:
        while True:
            seconds = self._source.poll_seconds
            await asyncio.sleep(seconds if self._failure is None else min(seconds, RETRY_SECONDS))
            await asyncio.wait({self._read_once()})


def _unavailable() -> UnavailableError:
    return UnavailableError(
        "the keys that verify tokens can't be read now",
        reason="KEYS_UNAVAILABLE",
        retry_after_seconds=ON_DEMAND_SECONDS,
    )
