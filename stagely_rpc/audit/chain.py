"""The hash chains over the audit log. This module is pure: it does not access the database.

Each team has a chain; rows without a team share one more. A row's hash covers every column. A seal's hash covers the
row's hash, the row's position, and the hash of the previous seal. All hashes are HMAC-SHA-256 (RFC 2104) under a key
that is derived from the key-encryption key. Without this key, an attacker who can write to the database can't forge a
chain.
"""

from __future__ import annotations

import hmac
import uuid
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from operator import attrgetter

from stagely_rpc.crypto.derivation import derive_key

NO_TEAM = uuid.UUID(int=0)
"""The chain of the rows without a team."""

HASH_BYTES = 32

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NULL = b"\xff\xff\xff\xff"


@dataclass(frozen=True, slots=True)
class SealableRow:
    """Every column of an audit row.

    Attributes:
        actor_ip: PostgreSQL's text form, with the mask.
        metadata: PostgreSQL's text form.
    """

    id: uuid.UUID
    timestamp: datetime
    actor_id: uuid.UUID | None
    actor_email: str | None
    actor_service: str | None
    actor_ip: str | None
    action: str
    resource_type: str
    resource_id: uuid.UUID | None
    team_id: uuid.UUID | None
    project_id: uuid.UUID | None
    metadata: str | None
    request_id: str | None

    @property
    def chain(self) -> uuid.UUID:
        """The chain that the row belongs to."""
        return self.team_id or NO_TEAM


# astuple() would copy each value first, which takes ten times as long as the rest of the encoding.
_columns_of = attrgetter(*(field.name for field in fields(SealableRow)))


@dataclass(frozen=True, slots=True)
class Link:
    """A position in a chain, and the hash of its seal.

    Attributes:
        position: starts at 1; 0 is before the first row.
        hash: the hash of the seal at this position.
    """

    position: int
    hash: bytes


START = Link(position=0, hash=bytes(HASH_BYTES))
"""The link before the first seal of a chain."""


class ChainKey:
    """The key of the chains."""

    __slots__ = ("_key",)

    def __init__(self, key_encryption_key: bytes) -> None:
        """Derive the key for this purpose alone."""
        self._key = derive_key(key_encryption_key, b"audit chain")

    def row_hash(self, row: SealableRow) -> bytes:
        """Return the hash of a row."""
        return self._mac(b"row\0", canonical(row))

    def next_link(self, chain: uuid.UUID, previous: Link, row_hash: bytes) -> Link:
        """Return the link that appends a row after the previous link."""
        position = previous.position + 1
        linked = previous.hash + chain.bytes + position.to_bytes(8, "big") + row_hash
        return Link(position, self._mac(b"seal", linked))

    def head_mac(self, chain: uuid.UUID, head: Link) -> bytes:
        """Return the MAC that authenticates a link as the end of a chain."""
        return self._mac(b"head", chain.bytes + head.position.to_bytes(8, "big") + head.hash)

    def is_head(self, chain: uuid.UUID, head: Link, mac: bytes) -> bool:
        """Return whether the MAC is valid: the link is or was the end of the chain."""
        return hmac.compare_digest(self.head_mac(chain, head), mac)

    def _mac(self, purpose: bytes, content: bytes) -> bytes:
        return hmac.digest(self._key, purpose + content, "sha256")


@dataclass(frozen=True, slots=True)
class ChainEnd:
    """Where a chain ends.

    Attributes:
        head: the row of `audit_chain_heads`, if there is one.
        mac: the MAC of the head.
        last: the last seal, if there is one.
    """

    head: Link | None
    mac: bytes | None
    last: Link | None

    def verified_head(self, key: ChainKey, chain: uuid.UUID) -> Link | None:
        """Return the last link that the sealer added, START for a new chain; None if the end is not authentic."""
        if self.head is None or self.mac is None:
            return START if self.last is None else None
        return self.head if self.head == self.last and key.is_head(chain, self.head, self.mac) else None


@dataclass(frozen=True, slots=True)
class Seal:
    """The position of a row in its chain, with both hashes."""

    chain: uuid.UUID
    audit_log_id: uuid.UUID
    row_hash: bytes
    link: Link


@dataclass(frozen=True, slots=True)
class Sealed:
    """A seal and its row. The row is None if it is missing."""

    seal: Seal
    row: SealableRow | None


def canonical(row: SealableRow) -> bytes:
    """Encode a row unambiguously: a length in 4 bytes precedes each column; a length of all ones means NULL."""
    return b"".join(map(_canonical_value, _columns_of(row)))


def _canonical_value(value: uuid.UUID | datetime | str | None) -> bytes:
    if value is None:
        return _NULL
    if isinstance(value, uuid.UUID):
        content = value.bytes
    elif isinstance(value, datetime):
        content = ((value - _EPOCH) // _MICROSECOND).to_bytes(8, "big", signed=True)
    else:
        content = value.encode()
    return len(content).to_bytes(4, "big") + content
