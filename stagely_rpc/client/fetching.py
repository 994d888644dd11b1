"""Tokens that a function of the caller's fetches, each once for all calls that need it."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import Awaitable, Callable

from stagely_rpc.client.tokens import TokenCache

SyncTokenFunction = Callable[[], str]
TokenFunction = Callable[[], str | Awaitable[str]]

_log = logging.getLogger(__name__)


class FetchedTokens:
    """The tokens of an async client. A function that is not async runs in a thread, where it may take its time."""

    def __init__(self, fetch: TokenFunction, cache: TokenCache | None = None) -> None:
        self._fetch = fetch
        self._cache = cache or TokenCache()
        self._lock = asyncio.Lock()

    async def get(self) -> str:
        """Return the token to send, once it is there."""
        if token := self._cache.fresh():
            return token
        async with self._lock:
            return self._cache.fresh() or await self._next()

    async def _next(self) -> str:
        try:
            return self._cache.store(await self._fetched())
        except Exception as error:  # noqa: BLE001 - whatever a function of the caller's may raise
            return _unexpired(self._cache, error)

    async def _fetched(self) -> str:
        fetch = self._fetch
        fetched = fetch() if inspect.iscoroutinefunction(fetch) else await asyncio.to_thread(fetch)
        return fetched if isinstance(fetched, str) else await fetched

    def refused(self, token: str) -> bool:
        """Forget a token."""
        return self._cache.refused(token)


class SyncFetchedTokens:
    """The tokens of a sync client, which may be used by many threads."""

    def __init__(self, fetch: SyncTokenFunction, cache: TokenCache | None = None) -> None:
        self._fetch = fetch
        self._cache = cache or TokenCache()
        self._lock = threading.Lock()

    def get(self) -> str:
        """Return the token to send, once it is there."""
        if token := self._cache.fresh():
            return token
        with self._lock:
            return self._cache.fresh() or self._next()

    def _next(self) -> str:
        try:
            return self._cache.store(self._fetch())
        except Exception as error:  # noqa: BLE001 - whatever a function of the caller's may raise
            return _unexpired(self._cache, error)

    def refused(self, token: str) -> bool:
        """Forget a token."""
        return self._cache.refused(token)


def _unexpired(cache: TokenCache, error: Exception) -> str:
    """Return the token that there is; once it has expired, raise what went wrong with its successor."""
    token = cache.unexpired()
    if token is None:
        raise error
    # What the function raised may quote the token.
    _log.warning("no new token, the present one stays in use until it expires: %s", type(error).__name__)
    return token
