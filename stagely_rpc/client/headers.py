"""The metadata and the deadline of a call."""

from __future__ import annotations

import time
import uuid

Headers = tuple[tuple[str, str], ...]


def headers_with(token: str, headers: Headers) -> Headers:
    """Return the headers with the token. An empty token is not sent."""
    return (*headers, ("authorization", f"Bearer {token}")) if token else headers


def acting_for_header(user_id: str | uuid.UUID) -> tuple[str, str]:
    """Return the header for the acting user.

    Raises:
        ValueError: the id is not a UUID.
    """
    return "x-stagely-user-id", str(uuid.UUID(str(user_id)))


class Deadline:
    """The deadline of a call with all its attempts."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def seconds_left(self) -> float:
        """Return the time left for the next attempt."""
        return self._at - time.monotonic()
