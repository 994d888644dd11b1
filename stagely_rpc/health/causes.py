"""Why the service can't serve, and what finds out."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable


class Cause(StrEnum):
    """What keeps the service from serving: names for metrics and alerts, where the reason is for people."""

    DATABASE_UNREACHABLE = "database_unreachable"
    DATABASE_SILENT = "database_silent"
    DATABASE_READ_ONLY = "database_read_only"
    DATABASE_TOO_OLD = "database_too_old"
    SCHEMA_BEHIND = "schema_behind"
    KEY_MISSING = "key_missing"
    POOL_EXHAUSTED = "pool_exhausted"
    PROBE_FAILED = "probe_failed"


class UnhealthyError(Exception):
    """Why the service can't serve, in one line without a secret."""

    def __init__(self, cause: Cause, reason: str) -> None:
        super().__init__(reason)
        self.cause = cause


class Probe(Protocol):
    """One look at what the service needs."""

    def __call__(self) -> Awaitable[None]:
        """Return if all is well. Cancelled, it ends soon, whatever it waits for.

        Raises:
            UnhealthyError: something is not.
        """
        ...


def all_of(*probes: Probe) -> Probe:
    """Return a probe that takes one look after the other, and tells of the first that finds something."""

    async def look() -> None:
        for probe in probes:
            await probe()

    return look
