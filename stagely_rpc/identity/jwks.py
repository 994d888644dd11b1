"""The token issuer's JSON Web Key Set: cached, and read again when it may have changed."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from stagely_rpc.errors import UnauthenticatedError, UnavailableError
from stagely_rpc.identity.keys import KeySetError, VerificationKey, parse_key_set
from stagely_rpc.identity.sources import source_at

if TYPE_CHECKING:
    from collections.abc import Callable

WAIT_SECONDS = 5
ON_DEMAND_SECONDS = 60
"""The minimum interval between reads of the set that unknown keys cause."""
RETRY_SECONDS = 60

_log = structlog.get_logger(__name__)


class KeySet:
    """The keys at a URL or in a file. If the document is invalid or can't be read, the last valid keys stay in use.

    A background task reads the set every 10 minutes from a URL and every 5 seconds from a file, so that a withdrawn
    key is soon refused. A token that names an unknown key causes a read too. There is one read at a time.
    """

    def __init__(self, location: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Take the location; `start` reads the set.

        Args:
            location: a path, or a URL (https, or http on this host).
            clock: returns the time in seconds.
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
        """Read the set, then keep reading it at an interval. A URL may be unreachable at first.

        Raises:
            KeySetError: the set is a file that can't be read or has no usable key.
        """
        await self._read()
        if self._source.is_local and not self._keys:
            raise KeySetError(
                f"the key set {self._source.name} can't be used: {self._failure or 'it has no usable key'}"
            )
        self._polling = asyncio.create_task(self._poll(), name="jwks-poll")

    async def stop(self) -> None:
        """Stop reading the set."""
        tasks = [task for task in (self._polling, self._reading) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def contains(self, key: VerificationKey) -> bool:
        """Return whether a key that `find` returned is still in the set."""
        return key in self._keys

    async def find(self, key_id: str | None, algorithm: str) -> VerificationKey:
        """Return the key that a token names. If the key is unknown, read the set again, at most once a minute.

        A token need not name a key if the set has only one key for its algorithm (OpenID Connect Core, 10.1).

        Raises:
            UnauthenticatedError: the set has no such key.
            UnavailableError: the key is unknown, and the set could not be read.
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
        """Wait for a running read, or start one if the last was long enough ago. Return whether a read took place."""
        now = self._clock()
        if self._reading is None:
            if now < self._next_on_demand:
                return False
            self._next_on_demand = now + ON_DEMAND_SECONDS
        # The read is a task of its own: a caller that is cancelled does not cancel it for the others.
        reading = self._start_read()
        await asyncio.wait({reading}, timeout=WAIT_SECONDS)
        if not reading.done():
            raise _unavailable()
        return True

    def _start_read(self) -> asyncio.Task[None]:
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
                self._keys = await asyncio.to_thread(parse_key_set, document)
                self._document = document
                _log.info("key set read", source=self._source.name, keys=len(self._keys))
        except KeySetError as error:
            self._note_failure(str(error))
        else:
            self._failure = None

    def _note_failure(self, reason: str) -> None:
        if reason != self._failure:
            _log.error("key set not read: the previous keys stay in use", source=self._source.name, reason=reason)
        self._failure = reason

    async def _poll(self) -> None:
        while True:
            seconds = self._source.poll_seconds
            await asyncio.sleep(seconds if self._failure is None else min(seconds, RETRY_SECONDS))
            await asyncio.wait({self._start_read()})


def _unavailable() -> UnavailableError:
    return UnavailableError(
        "the keys that verify tokens can't be read at the moment",
        reason="KEYS_UNAVAILABLE",
        retry_after_seconds=ON_DEMAND_SECONDS,
    )
