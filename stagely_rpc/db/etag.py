"""Etags (AIP-154). An etag identifies a version of a row."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Protocol

from stagely_rpc.errors import AbortedError

if TYPE_CHECKING:
    import uuid


class Versioned(Protocol):
    """A row with a version."""

    @property
    def id(self) -> uuid.UUID: ...  # noqa: D102
    @property
    def row_version(self) -> int: ...  # noqa: D102


def etag_of(row: Versioned) -> str:
    """Return the etag of a row: opaque, different after each write, and unique to the row."""
    return hashlib.blake2b(row.id.bytes + row.row_version.to_bytes(8, "big"), digest_size=12).hexdigest()


def check_etag(row: Versioned, etag: str) -> None:
    """Check that an etag is current. An empty etag is not checked. The row must be locked.

    Raises:
        AbortedError: the etag is stale.
    """
    if etag and etag != etag_of(row):
        message = "the etag is stale: the resource was changed since it was read"
        raise AbortedError(message, reason="ETAG_STALE")
