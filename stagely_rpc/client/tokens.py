"""Bearer tokens: given once, kept in a file that something else renews, or fetched and remembered."""

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

# What a header may carry (RFC 9110), without spaces: of any other, gRPC's error would quote the whole.
_TOKEN = re.compile(r"[\x21-\x7e]+")

_log = logging.getLogger(__name__)


class SyncTokens(Protocol):
    """Where a client gets the token of each call."""

    def get(self) -> str:
        """Return the token to send."""

    def refused(self, token: str) -> bool:
        """Take note that the service refused a token, and tell whether there may be another one."""


class Tokens(Protocol):
    """The same for an async client, which may have to wait for a token."""

    def get(self) -> str | Awaitable[str]:
        """Return the token to send."""

    def refused(self, token: str) -> bool:
        """Take note that the service refused a token, and tell whether there may be another one."""


class NoToken:
    """No token: of a caller that shows a certificate, or nothing."""

    def get(self) -> str:
        """Return what stands for none."""
        return ""

    def refused(self, token: str) -> bool:
        """Tell whether there is another: there is none, as there was none."""
        return bool(token)


class FixedToken:
    """One token for as long as the client lives."""

    def __init__(self, token: str) -> None:
        self._token = checked(token)

    def get(self) -> str:
        """Return the token."""
        return self._token

    def refused(self, token: str) -> bool:
        """Tell that there is no other."""
        return token != self._token


class TokenFile:
    """A token in a file that something else renews, as Kubernetes does a projected one: read again when it changes.

    Raises:
        OSError: the file can't be read.
        ValueError: the file holds no token.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._version = self._stat()
        self._token = self._read()

    def get(self) -> str:
        """Return what the file holds; while it is away or half written, what it held before."""
        try:
            if (version := self._stat()) != self._version:
                self._token = self._read()
                self._version = version
        except (OSError, ValueError) as error:
            _log.warning("%s can't be read, its last token stays in use: %s", self._path, type(error).__name__)
        return self._token

    def refused(self, token: str) -> bool:
        """Tell whether the file holds another token now."""
        return self.get() != token

    def _stat(self) -> tuple[int, int, int]:
        found = self._path.stat()
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _read(self) -> str:
        return checked(self._path.read_text(encoding="utf-8").strip())


class TokenCache:
    """A token that was fetched, and when to fetch the next: a while before it expires, or when the service refuses it.

    When it expires is read from the token itself, if it is a JWT; any other token holds until it is refused.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._token: str | None = None
        self._renew_at = 0.0
        self._expires_at = 0.0

    def fresh(self) -> str | None:
        """Return the token, unless there is none or it is time for a new one."""
        return self._token if self._clock() < self._renew_at else None

    def unexpired(self) -> str | None:
        """Return the token for as long as it holds, though it be time for a new one."""
        return self._token if self._clock() < self._expires_at else None

    def store(self, token: str) -> str:
        """Keep a token that was fetched just now."""
        self._token = checked(token)
        self._expires_at = expiry_of(token)
        lifetime = self._expires_at - self._clock()
        self._renew_at = self._expires_at - min(RENEW_SECONDS, lifetime * RENEW_FRACTION)
        return token

    def refused(self, token: str) -> bool:
        """Forget a token, unless another has taken its place; either way there may be another."""
        if token == self._token:
            self._token = None
        return True


def checked(token: str) -> str:
    """Return the token.

    Raises:
        ValueError: it can't be sent in a header.
    """
    if not _TOKEN.fullmatch(token):
        raise ValueError("the token is not one word of visible ASCII characters")
    return token


def expiry_of(token: str) -> float:
    """Return when a JWT expires (RFC 7519, `exp`), in seconds of POSIX time: never, if it does not say or is no JWT.

    Nothing is verified: that is for the service to do.
    """
    try:
        _, payload, _ = token.split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"])
    except (ValueError, KeyError, TypeError):
        return float("inf")
