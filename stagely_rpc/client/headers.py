"""What goes with each call beside its request, sync or async: metadata, and the time that is left."""

from __future__ import annotations

import time
import uuid

Headers = tuple[tuple[str, str], ...]


def headers_with(token: str, headers: Headers) -> Headers:
    """Add the token; "" is none."""
    return (*headers, ("authorization", f"Bearer {token}")) if token else headers


def acting_for_header(user_id: str | uuid.UUID) -> tuple[str, str]:
    """Return the header that names the user whom a call is made for.

    Raises:
        ValueError: the id is no UUID.
    """
    return "x-stagely-user-id", str(uuid.UUID(str(user_id)))


class Deadline:
    """When a call ends at the latest, however many attempts it takes."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def seconds_left(self) -> float:
        """Return what is left for the next attempt."""
        return self._at - time.monotonic()
