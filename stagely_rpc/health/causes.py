"""The causes of ill health, and the interface of probes."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable


class Cause(StrEnum):
    """Why the service can't serve, as a name for metrics and alerts. The error's message says more."""

    DATABASE_UNREACHABLE = "database_unreachable"
    DATABASE_SILENT = "database_silent"
    DATABASE_READ_ONLY = "database_read_only"
    DATABASE_TOO_OLD = "database_too_old"
    SCHEMA_BEHIND = "schema_behind"
    KEY_MISSING = "key_missing"
    POOL_EXHAUSTED = "pool_exhausted"
    PROBE_FAILED = "probe_failed"


class UnhealthyError(Exception):
    """The service can't serve. The message is one line and contains no secret."""

    def __init__(self, cause: Cause, reason: str) -> None:
        super().__init__(reason)
        self.cause = cause


class Probe(Protocol):
    """One check of something that the service needs."""

    def __call__(self) -> Awaitable[None]:
        """Return if nothing is wrong. A cancelled probe must end soon, even while it waits for the database.

        Raises:
            UnhealthyError: something is wrong.
        """
        ...


def all_of(*probes: Probe) -> Probe:
    """Return a probe that runs several in order, and raises the first error."""

    async def run_all() -> None:
        for probe in probes:
            await probe()

    return run_all
