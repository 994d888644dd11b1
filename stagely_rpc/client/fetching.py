"""Tokens that the caller's function fetches. Concurrent calls share one fetch."""

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
    """The tokens of an async client. A function that is not async runs in a thread."""

    def __init__(self, fetch: TokenFunction, cache: TokenCache | None = None) -> None:
        self._fetch = fetch
        self._cache = cache or TokenCache()
        self._lock = asyncio.Lock()

    async def get(self) -> str:
        """Return the token to send. Wait for it if necessary."""
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
    """The tokens of a sync client. Thread-safe."""

    def __init__(self, fetch: SyncTokenFunction, cache: TokenCache | None = None) -> None:
        self._fetch = fetch
        self._cache = cache or TokenCache()
        self._lock = threading.Lock()

    def get(self) -> str:
        """Return the token to send. Wait for it if necessary."""
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
    """Return the current token. If it has expired, raise the error of the failed fetch."""
    token = cache.unexpired()
    if token is None:
        raise error
    # The error of the function may quote the token.
    _log.warning("no new token: the current one stays in use until it expires: %s", type(error).__name__)
    return token
