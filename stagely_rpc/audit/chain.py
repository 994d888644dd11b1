"""The hash chain over the audit trail. Pure: what is here knows no database.

Each team has a chain, and the rows of no team have one. A row's hash covers every column; a seal's hash covers the
row's, the place that the row has, and the hash of the seal before. All are HMAC-SHA-256 (RFC 2104) under a key that is
derived from the key-encryption key: whoever can write to the database and has no key can't make a chain of their own.
"""

from __future__ import annotations

import hmac
import uuid
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from operator import attrgetter

from stagely_rpc.crypto.derivation import derived

NO_TEAM = uuid.UUID(int=0)
"""The chain of the rows of no team."""

HASH_BYTES = 32

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NULL = b"\xff\xff\xff\xff"


@dataclass(frozen=True, slots=True)
class SealableRow:
    """Every column of a row of the trail.

    Attributes:
        actor_ip: as PostgreSQL writes it as text, with its mask.
        metadata: as PostgreSQL writes it as text.
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


# astuple() would copy each value first, which takes ten times as long as all the rest
_columns_of = attrgetter(*(field.name for field in fields(SealableRow)))


@dataclass(frozen=True, slots=True)
class Link:
    """A place in a chain.

    Attributes:
        position: from 1; 0 is before the first row.
        hash: of the seal at this place.
    """

    position: int
    hash: bytes


START = Link(position=0, hash=bytes(HASH_BYTES))
"""What the first seal of a chain is linked to."""


class ChainKey:
    """The key of the chains."""

    __slots__ = ("_key",)

    def __init__(self, key_encryption_key: bytes) -> None:
        """Derive the key for this purpose alone."""
        self._key = derived(key_encryption_key, b"audit chain")

    def row_hash(self, row: SealableRow) -> bytes:
        """Return the hash of a row."""
        return self._mac(b"row\0", canonical(row))

    def next_link(self, chain: uuid.UUID, previous: Link, row_hash: bytes) -> Link:
        """Return the place after another one, with a row in it."""
        position = previous.position + 1
        linked = previous.hash + chain.bytes + position.to_bytes(8, "big") + row_hash
        return Link(position, self._mac(b"seal", linked))

    def head_mac(self, chain: uuid.UUID, head: Link) -> bytes:
        """Return what authenticates a place as the end of a chain."""
        return self._mac(b"head", chain.bytes + head.position.to_bytes(8, "big") + head.hash)

    def is_head(self, chain: uuid.UUID, head: Link, mac: bytes) -> bool:
        """Tell whether a place was authenticated as the end of a chain, at some time."""
        return hmac.compare_digest(self.head_mac(chain, head), mac)

    def _mac(self, purpose: bytes, content: bytes) -> bytes:
        return hmac.digest(self._key, purpose + content, "sha256")


@dataclass(frozen=True, slots=True)
class ChainEnd:
    """Where a chain ends.

    Attributes:
        head: as `audit_chain_heads` has it, if it does.
        mac: of the head.
        last: the last seal, if there is one.
    """

    head: Link | None
    mac: bytes | None
    last: Link | None

    def left_by(self, key: ChainKey, chain: uuid.UUID) -> Link | None:
        """Return the place at which the sealer left the chain; None if it does not end there."""
        if self.head is None or self.mac is None:
            return START if self.last is None else None
        return self.head if self.head == self.last and key.is_head(chain, self.head, self.mac) else None


@dataclass(frozen=True, slots=True)
class Seal:
    """A row's place in its chain."""

    chain: uuid.UUID
    audit_log_id: uuid.UUID
    row_hash: bytes
    link: Link


@dataclass(frozen=True, slots=True)
class Sealed:
    """A seal and the row that it is of; None if that is gone."""

    seal: Seal
    row: SealableRow | None


def canonical(row: SealableRow) -> bytes:
    """Return a row as bytes of its own: each column after its length in 4 bytes, which are all ones for NULL."""
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
