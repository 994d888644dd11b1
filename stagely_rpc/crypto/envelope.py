"""The stored form of secrets and credentials: envelope encryption, AES-256-GCM throughout.

A data key of the team encrypts a value. The key-encryption key, which exists only in this process, encrypts ("wraps")
the data key. Both ciphertexts are text:

    v1.<id of the data key, 32 hexadecimal digits>.<base64(nonce ‖ ciphertext ‖ tag)>

The associated data binds a value to its data key, table, column and row, and a wrapped key to its id, its team and the
key-encryption key. A ciphertext that is copied to another location does not decrypt.

A value names its data key, and the row of a data key names its key-encryption key, so both kinds of key can be rotated
without changing this form.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import uuid
from collections import OrderedDict
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from stagely_rpc.access import ResourceRef
from stagely_rpc.crypto import aead, queries
from stagely_rpc.crypto.derivation import derive_key
from stagely_rpc.crypto.observer import NULL_OBSERVER
from stagely_rpc.db.driver.observer import Timed
from stagely_rpc.db.models import Team
from stagely_rpc.errors import AbortedError, DataLossError, FailedPreconditionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stagely_rpc.crypto.observer import KeyObserver
    from stagely_rpc.db.models.rows import DataKeyRow
    from stagely_rpc.db.session import Executor, Session
    from stagely_rpc.db.sql.statement import Query
    from stagely_rpc.db.write_session import WriteSession

_VERSION = b"v1"
_HEAD = re.compile(r"v1\.([0-9a-f]{32})\.")
_HEAD_CHARACTERS = 36
_CACHED_DATA_KEYS = 4096
_ATTEMPTS = 5


class StorageLocation(NamedTuple):
    """Where a value is stored. The value decrypts only there."""

    table: str
    column: str
    row_id: uuid.UUID

    def __str__(self) -> str:
        return f"{self.table}.{self.column} of {self.row_id}"


class Keyring:
    """Encrypts and decrypts stored values. Without a key-encryption key, it does neither."""

    def __init__(self, key_encryption_key: bytes | None, observer: KeyObserver = NULL_OBSERVER) -> None:
        """Take the key-encryption key.

        Args:
            key_encryption_key: 32 random bytes; None if nothing will be encrypted or decrypted.
            observer: receives an event after each use of a key.
        """
        self._observer = observer
        self._root = None if key_encryption_key is None else _KeyEncryptionKey(key_encryption_key)
        self._data_keys = _DataKeyCache(_CACHED_DATA_KEYS)

    def active(self, ref: ResourceRef) -> Query[DataKeyRow | None]:
        """Return the query for the active data key of the team that owns a resource.

        Never cache the result: the transaction that made the key may roll back.
        """
        return queries.get_active_data_key(ref)

    async def make_active(self, session: WriteSession, team_id: uuid.UUID) -> DataKeyRow:
        """Create a team's first data key, in the transaction that stores its first value.

        Raises:
            FailedPreconditionError: there is no key-encryption key.
            AbortedError: other transactions kept creating and retiring the team's data key.
        """
        for _ in range(_ATTEMPTS):
            added = queries.add_data_key(**self.new_data_key(team_id))
            _, row = await session.ask(added, queries.get_active_data_key(ResourceRef(Team, team_id)))
            if row is not None:
                return row
        raise AbortedError("the team's data key was changed at the same time: retry", may_run_again=True)

    def new_data_key(self, team_id: uuid.UUID) -> dict[str, Any]:
        """Return the columns of a new random data key for a team, wrapped by the key-encryption key.

        Raises:
            FailedPreconditionError: there is no key-encryption key.
        """
        root, data_key_id = self._require_root(), uuid.uuid4()
        with Timed(self._observer.used, "wrap", root.id, data_key_id):
            wrapped = root.wrap(secrets.token_bytes(aead.KEY_BYTES), data_key_id, team_id)
        return {"id": data_key_id, "team_id": team_id, "key_encryption_key_id": root.id, "wrapped_key": wrapped}

    def seal(self, data_key: DataKeyRow, plaintext: bytes, *, location: StorageLocation) -> str:
        """Encrypt a value for one location; return its stored form.

        Args:
            data_key: the active data key of the team that owns the value.
            plaintext: the value.
            location: where the value will be stored. Choose the id of a new row first.

        Raises:
            FailedPreconditionError: there is no key-encryption key.
            DataLossError: the team's data key can't be decrypted.
        """
        root = self._require_root()
        key = self._unwrapped(root, data_key)
        with Timed(self._observer.used, "seal", root.id, data_key.id):
            return _Envelope(data_key.id, aead.encrypt(key, plaintext, _associated_data(location, data_key.id))).text()

    async def open(self, session: Session, stored: str, *, location: StorageLocation) -> bytes:
        """Decrypt a stored form that was read from its location.

        Raises:
            FailedPreconditionError: there is no key-encryption key.
            DataLossError: the stored form was changed or copied from another location, or a key is missing.
        """
        root = self._require_root()
        envelope = _Envelope.read(stored)
        if envelope is None:
            raise _invalid(location)
        key = self._cached(envelope.data_key_id)
        if key is None:
            row = await session.read(queries.DATA_KEY, envelope.data_key_id)
            if row is None:
                raise DataLossError(f"the data key of {location} does not exist", reason="DATA_KEY_UNKNOWN")
            key = self._unwrap(root, row)
        with Timed(self._observer.used, "open", root.id, envelope.data_key_id):
            try:
                return aead.decrypt(key, envelope.sealed, _associated_data(location, envelope.data_key_id))
            except aead.AuthenticationError:
                raise _invalid(location) from None

    async def check(self, session: Executor) -> None:
        """Check at startup that this process can unwrap every data key.

        Raises:
            FailedPreconditionError: other key-encryption keys wrap some; the message has their ids.
        """
        self.require(await queries.list_other_key_encryption_key_ids(session, self.key_encryption_key_id or ""))

    @property
    def key_encryption_key_id(self) -> str | None:
        """The id of the key-encryption key, which is not secret; None if there is no key."""
        return self._root.id if self._root else None

    def require(self, key_encryption_key_ids: Sequence[str]) -> None:
        """Check that this process has the given key-encryption keys.

        Raises:
            FailedPreconditionError: some are missing; the message has their ids.
        """
        own = self.key_encryption_key_id
        if others := sorted(set(key_encryption_key_ids) - {own}):
            here = f"ENCRYPTION_KEY is {own}" if own else "ENCRYPTION_KEY is not set"
            message = f"stored values are encrypted by key-encryption key {', '.join(others)}, but {here}"
            raise FailedPreconditionError(message, subject="DataKey", reason="KEY_ENCRYPTION_KEY_UNKNOWN")

    def _require_root(self) -> _KeyEncryptionKey:
        if self._root is None:
            message = "no secret can be stored or read: the service runs without ENCRYPTION_KEY"
            raise FailedPreconditionError(message, subject="ENCRYPTION_KEY", reason="ENCRYPTION_KEY_MISSING")
        return self._root

    def _unwrapped(self, root: _KeyEncryptionKey, row: DataKeyRow) -> AESGCM:
        return self._cached(row.id) or self._unwrap(root, row)

    def _cached(self, data_key_id: uuid.UUID) -> AESGCM | None:
        key = self._data_keys.get(data_key_id)
        self._observer.looked_up(hit=key is not None)
        return key

    def _unwrap(self, root: _KeyEncryptionKey, row: DataKeyRow) -> AESGCM:
        with Timed(self._observer.used, "unwrap", root.id, row.id):
            key = AESGCM(root.unwrap(row))
        self._data_keys.put(row.id, key)
        return key


class _KeyEncryptionKey:
    """The key that encrypts data keys.

    Its id is derived with HKDF (RFC 5869) for this purpose alone. The id may be stored and logged: it reveals nothing
    about the key or about other keys derived from it.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != aead.KEY_BYTES:
            msg = f"a key-encryption key has {aead.KEY_BYTES} bytes"
            raise ValueError(msg)
        self.id = derive_key(key, b"key-encryption key id", length=8).hex()
        self._key = AESGCM(key)

    def wrap(self, data_key: bytes, data_key_id: uuid.UUID, team_id: uuid.UUID) -> str:
        associated_data = self._associated_data(data_key_id, team_id)
        return _Envelope(data_key_id, aead.encrypt(self._key, data_key, associated_data)).text()

    def unwrap(self, row: DataKeyRow) -> bytes:
        if row.key_encryption_key_id != self.id:
            message = (
                f"data key {row.id} is encrypted by key-encryption key {row.key_encryption_key_id},"
                " which this process does not have"
            )
            raise DataLossError(message, reason="KEY_ENCRYPTION_KEY_UNKNOWN")
        invalid = DataLossError(f"data key {row.id} does not authenticate", reason="DATA_KEY_INVALID")
        envelope = _Envelope.read(row.wrapped_key)
        if envelope is None or envelope.data_key_id != row.id:
            raise invalid
        try:
            return aead.decrypt(self._key, envelope.sealed, self._associated_data(row.id, row.team_id))
        except aead.AuthenticationError:
            raise invalid from None

    def _associated_data(self, data_key_id: uuid.UUID, team_id: uuid.UUID) -> bytes:
        return _joined(b"stagely-rpc data key", _VERSION, data_key_id.bytes, team_id.bytes, self.id.encode())


class _Envelope(NamedTuple):
    """A ciphertext, and the id of the data key that encrypted it or that it contains."""

    data_key_id: uuid.UUID
    sealed: bytes

    def text(self) -> str:
        return f"{_VERSION.decode()}.{self.data_key_id.hex}.{base64.b64encode(self.sealed).decode()}"

    @classmethod
    def read(cls, text: str) -> _Envelope | None:
        """Parse the text; return None unless it is exactly what `text()` returns."""
        data_key_id = _data_key_id(text[:_HEAD_CHARACTERS])
        if data_key_id is None:
            return None
        try:
            sealed = binascii.a2b_base64(text[_HEAD_CHARACTERS:], strict_mode=True)
        except ValueError:
            return None
        # Base64 ignores some bits of the last character before the padding. Without this check, a change of those bits
        # would go unnoticed.
        last = sealed[len(sealed) // 3 * 3 :] or sealed[-3:]
        return cls(data_key_id, sealed) if last and text.endswith(base64.b64encode(last).decode()) else None


class _DataKeyCache:
    """LRU cache of unwrapped data keys. The key of an id never changes, so no entry can be stale."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._keys: OrderedDict[uuid.UUID, AESGCM] = OrderedDict()

    def get(self, data_key_id: uuid.UUID) -> AESGCM | None:
        key = self._keys.get(data_key_id)
        if key is not None:
            self._keys.move_to_end(data_key_id)
        return key

    def put(self, data_key_id: uuid.UUID, key: AESGCM) -> None:
        self._keys[data_key_id] = key
        if len(self._keys) > self._size:
            self._keys.popitem(last=False)


def _invalid(location: StorageLocation) -> DataLossError:
    return DataLossError(f"the stored ciphertext of {location} does not authenticate")


@lru_cache(maxsize=_CACHED_DATA_KEYS)
def _data_key_id(head: str) -> uuid.UUID | None:
    found = _HEAD.fullmatch(head)
    return None if found is None else uuid.UUID(hex=found[1])


def _associated_data(location: StorageLocation, data_key_id: uuid.UUID) -> bytes:
    """Return the associated data of a value stored at a location."""
    return _associated_data_of_column(data_key_id, location.table, location.column) + _joined(location.row_id.bytes)


@lru_cache(maxsize=_CACHED_DATA_KEYS)
def _associated_data_of_column(data_key_id: uuid.UUID, table: str, column: str) -> bytes:
    return _joined(b"stagely-rpc value", _VERSION, data_key_id.bytes, table.encode(), column.encode())


def _joined(*parts: bytes) -> bytes:
    """Join the parts unambiguously: a length in 4 bytes precedes each part."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
