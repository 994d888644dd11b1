"""Bearer tokens: fixed, in a file that something else renews, or fetched and cached."""

from __future__ import annotations

import base64
import json
import logging
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Callable

RENEW_SECONDS = 60.0
RENEW_FRACTION = 0.2

# Valid in a header (RFC 9110), without spaces. gRPC's error for other characters would quote the whole token.
_TOKEN = re.compile(r"[\x21-\x7e]+")

_log = logging.getLogger(__name__)


class SyncTokens(Protocol):
    """A source of tokens."""

    def get(self) -> str:
        """Return the token to send."""

    def refused(self, token: str) -> bool:
        """Note that the service refused a token. Return whether there may be another token."""


class Tokens(Protocol):
    """A source of tokens for an async client."""

    def get(self) -> str | Awaitable[str]:
        """Return the token to send."""

    def refused(self, token: str) -> bool:
        """Note that the service refused a token. Return whether there may be another token."""


class NoToken:
    """No token, for a caller with a client certificate or without authentication."""

    def get(self) -> str:
        """Return the empty token."""
        return ""

    def refused(self, token: str) -> bool:
        """Return False: there is no other token."""
        return bool(token)


class FixedToken:
    """A fixed token."""

    def __init__(self, token: str) -> None:
        self._token = checked(token)

    def get(self) -> str:
        """Return the token."""
        return self._token

    def refused(self, token: str) -> bool:
        """Return False: there is no other token."""
        return token != self._token


class TokenFile:
    """A token in a file that another process renews, such as a projected token of Kubernetes. Read again after changes.

    Raises:
        OSError: the file can't be read.
        ValueError: the file contains no token.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._version = self._stat()
        self._token = self._read()

    def get(self) -> str:
        """Return the token in the file. If the file is missing or incomplete, return the previous token."""
        try:
            if (version := self._stat()) != self._version:
                self._token = self._read()
                self._version = version
        except (OSError, ValueError) as error:
            _log.warning("can't read %s: its last token stays in use: %s", self._path, type(error).__name__)
        return self._token

    def refused(self, token: str) -> bool:
        """Return whether the file now contains a different token."""
        return self.get() != token

    def _stat(self) -> tuple[int, int, int]:
        found = self._path.stat()
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _read(self) -> str:
        return checked(self._path.read_text(encoding="utf-8").strip())


class TokenCache:
    """A fetched token. The next one is fetched before it expires, or when the service refuses it.

    The expiry is read from the token if it is a JWT. Any other token is used until it is refused.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._token: str | None = None
        self._renew_at = 0.0
        self._expires_at = 0.0

    def fresh(self) -> str | None:
        """Return the token, unless it must be fetched or renewed."""
        return self._token if self._clock() < self._renew_at else None

    def unexpired(self) -> str | None:
        """Return the token until it expires, even if it should be renewed."""
        return self._token if self._clock() < self._expires_at else None

    def store(self, token: str) -> str:
        """Store a token that was just fetched."""
        self._token = checked(token)
        self._expires_at = expiry_of(token)
        lifetime = self._expires_at - self._clock()
        self._renew_at = self._expires_at - min(RENEW_SECONDS, lifetime * RENEW_FRACTION)
        return token

    def refused(self, token: str) -> bool:
        """Discard a token, unless it was already replaced. Return True: a fetch may give another token."""
        if token == self._token:
            self._token = None
        return True


def checked(token: str) -> str:
    """Return the token.

    Raises:
        ValueError: it can't be sent in a header.
    """
    if not _TOKEN.fullmatch(token):
        raise ValueError("the token must be one word of visible ASCII characters")
    return token


def expiry_of(token: str) -> float:
    """Return when a JWT expires (RFC 7519, `exp`), in seconds since 1970; infinity without `exp` or if it is not a JWT.

    The token is not verified. The service does that.
    """
    try:
        _, payload, _ = token.split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"])
    except (ValueError, KeyError, TypeError):
        return float("inf")
