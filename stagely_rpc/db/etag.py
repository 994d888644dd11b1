"""Etags (AIP-154): which version of a row a caller has seen."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Protocol

from stagely_rpc.errors import AbortedError

if TYPE_CHECKING:
    import uuid


class Versioned(Protocol):
    """A row that counts its writes."""

    @property
    def id(self) -> uuid.UUID: ...  # noqa: D102
    @property
    def row_version(self) -> int: ...  # noqa: D102


def etag_of(row: Versioned) -> str:
    """Return a row's etag: opaque, another one after each write, and never that of another row."""
    return hashlib.blake2b(row.id.bytes + row.row_version.to_bytes(8, "big"), digest_size=12).hexdigest()


def check_etag(row: Versioned, etag: str) -> None:
    """Check that a caller has seen the row as it is; an empty etag asks for no check. The row must be locked.

    Raises:
        AbortedError: the row was changed since.
    """
    if etag and etag != etag_of(row):
        message = "the etag is stale: the resource was changed since it was read"
        raise AbortedError(message, reason="ETAG_STALE")
