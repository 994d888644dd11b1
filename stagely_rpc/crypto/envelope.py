"""The stored form of secrets and credentials: envelope encryption, AES-256-GCM throughout.

A value is encrypted by a data key of its team; the data key is encrypted ("wrapped") by the key-encryption key, which
is nowhere but in this process. Both ciphertexts are text:

    v1.<id of the data key, 32 hexadecimal digits>.<base64(nonce ‖ ciphertext ‖ tag)>

and each is bound by its associated data to where it belongs: a value to its data key, table, column and row, a wrapped
key to its id, its team and the key-encryption key. Copied anywhere else it does not decrypt.

A value names its data key, and the row of a data key names its key-encryption key: both kinds of key can change later
without a change of this form.
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
from stagely_rpc.crypto.derivation import derived
from stagely_rpc.crypto.observer import NOBODY
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


class Place(NamedTuple):
    """Where a value is stored. It decrypts there and nowhere else."""

    table: str
    column: str
    row_id: uuid.UUID

    def __str__(self) -> str:
        return f"{self.table}.{self.column} of {self.row_id}"


class Keyring:
    """Encrypts values for the database and decrypts them again; without a key-encryption key it refuses both."""

    def __init__(self, key_encryption_key: bytes | None, observer: KeyObserver = NOBODY) -> None:
        """Take the key-encryption key.

        Args:
            key_encryption_key: 32 random bytes; None where nothing is to be encrypted or decrypted.
            observer: told of each use of a key.
        """
        self._observer = observer
        self._root = None if key_encryption_key is None else _KeyEncryptionKey(key_encryption_key)
        self._data_keys = _DataKeyCache(_CACHED_DATA_KEYS)

    def active(self, ref: ResourceRef) -> Query[DataKeyRow | None]:
        """Return the query for the data key that encrypts what is new of the team that owns what a call is about.

        It is asked anew each time: a key that was made in a transaction that rolled back never was.
        """
        return queries.get_active_data_key(ref)

    async def make_active(self, session: WriteSession, team_id: uuid.UUID) -> DataKeyRow:
        """Make a team's first data key, in the transaction that stores its first value.

        Raises:
            FailedPreconditionError: there is no key-encryption key.
            AbortedError: others kept making and retiring the team's data key.
        """
        for _ in range(_ATTEMPTS):
            added = queries.add_data_key(**self.new_data_key(team_id))
            _, row = await session.ask(added, queries.get_active_data_key(ResourceRef(Team, team_id)))
            if row is not None:
                return row
        raise AbortedError("the team's data key was changed at the same time: retry", may_run_again=True)

    def new_data_key(self, team_id: uuid.UUID) -> dict[str, Any]:
        """Return the columns of a new data key for a team: random, and encrypted by the key-encryption key.

        Raises:
            FailedPreconditionError: there is no key-encryption key.
        """
        root, data_key_id = self._require_root(), uuid.uuid4()
        with Timed(self._observer.used, "wrap", root.id, data_key_id):
            wrapped = root.wrap(secrets.token_bytes(aead.KEY_BYTES), data_key_id, team_id)
        return {"id": data_key_id, "team_id": team_id, "key_encryption_key_id": root.id, "wrapped_key": wrapped}

    def seal(self, data_key: DataKeyRow, plaintext: bytes, *, place: Place) -> str:
        """Return the stored form of a value, for one place.

        Args:
            data_key: the active one of the team that the value is of.
            plaintext: the value.
            place: where the value is going to be stored; the id of a new row is chosen before.

        Raises:
            FailedPreconditionError: there is no key-encryption key.
            DataLossError: the team's data key can't be decrypted.
        """
        root = self._require_root()
        key = self._unwrapped(root, data_key)
        with Timed(self._observer.used, "seal", root.id, data_key.id):
            return _Envelope(data_key.id, aead.encrypt(key, plaintext, _bound_to(place, data_key.id))).text()

    async def open(self, session: Session, stored: str, *, place: Place) -> bytes:
        """Return the value of a stored form, read from its place.

        Raises:
            FailedPreconditionError: there is no key-encryption key.
            DataLossError: the stored form was changed or is another place's, or a key is missing. There is no value.
        """
        root = self._require_root()
        envelope = _Envelope.read(stored)
        if envelope is None:
            raise _invalid(place)
        key = self._ready(envelope.data_key_id)
        if key is None:
            row = await session.read(queries.DATA_KEY, envelope.data_key_id)
            if row is None:
                raise DataLossError(f"the data key of {place} does not exist", reason="DATA_KEY_UNKNOWN")
            key = self._unwrap(root, row)
        with Timed(self._observer.used, "open", root.id, envelope.data_key_id):
            try:
                return aead.decrypt(key, envelope.sealed, _bound_to(place, envelope.data_key_id))
            except aead.AuthenticationError:
                raise _invalid(place) from None

    async def check(self, session: Executor) -> None:
        """Check, before anything is served, that every data key is encrypted by the key-encryption key that is here.

        Raises:
            FailedPreconditionError: some are encrypted by others, which it names by their ids.
        """
        self.require(await queries.list_other_key_encryption_key_ids(session, self.key_encryption_key_id or ""))

    @property
    def key_encryption_key_id(self) -> str | None:
        """The id of the key-encryption key, which may be shown; None where there is no key."""
        return self._root.id if self._root else None

    def require(self, key_encryption_key_ids: Sequence[str]) -> None:
        """Check that data keys that are encrypted by some key-encryption keys can be decrypted here.

        Raises:
            FailedPreconditionError: some can't, by keys which it names by their ids.
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
        return self._ready(row.id) or self._unwrap(root, row)

    def _ready(self, data_key_id: uuid.UUID) -> AESGCM | None:
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

    Its id is derived with HKDF (RFC 5869) for this purpose alone: it tells keys apart, may be stored and logged, and
    says nothing of the key or of anything else derived from it.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != aead.KEY_BYTES:
            msg = f"a key-encryption key has {aead.KEY_BYTES} bytes"
            raise ValueError(msg)
        self.id = derived(key, b"key-encryption key id", length=8).hex()
        self._key = AESGCM(key)

    def wrap(self, data_key: bytes, data_key_id: uuid.UUID, team_id: uuid.UUID) -> str:
        associated_data = self._bound_to(data_key_id, team_id)
        return _Envelope(data_key_id, aead.encrypt(self._key, data_key, associated_data)).text()

    def unwrap(self, row: DataKeyRow) -> bytes:
        if row.key_encryption_key_id != self.id:
            message = (
                f"data key {row.id} is encrypted by key-encryption key {row.key_encryption_key_id}, which is not here"
            )
            raise DataLossError(message, reason="KEY_ENCRYPTION_KEY_UNKNOWN")
        invalid = DataLossError(f"data key {row.id} does not authenticate", reason="DATA_KEY_INVALID")
        envelope = _Envelope.read(row.wrapped_key)
        if envelope is None or envelope.data_key_id != row.id:
            raise invalid
        try:
            return aead.decrypt(self._key, envelope.sealed, self._bound_to(row.id, row.team_id))
        except aead.AuthenticationError:
            raise invalid from None

    def _bound_to(self, data_key_id: uuid.UUID, team_id: uuid.UUID) -> bytes:
        return _joined(b"stagely-rpc data key", _VERSION, data_key_id.bytes, team_id.bytes, self.id.encode())


class _Envelope(NamedTuple):
    """A ciphertext and the id of the data key that it was made with, or that it holds."""

    data_key_id: uuid.UUID
    sealed: bytes

    def text(self) -> str:
        return f"{_VERSION.decode()}.{self.data_key_id.hex}.{base64.b64encode(self.sealed).decode()}"

    @classmethod
    def read(cls, text: str) -> _Envelope | None:
        """Return what the text says; None unless it is, to the character, what `text()` gives."""
        data_key_id = _data_key_id(text[:_HEAD_CHARACTERS])
        if data_key_id is None:
            return None
        try:
            sealed = binascii.a2b_base64(text[_HEAD_CHARACTERS:], strict_mode=True)
        except ValueError:
            return None
        # The last character before the padding has bits that base64 does not use: changed, they would go unnoticed.
        last = sealed[len(sealed) // 3 * 3 :] or sealed[-3:]
        return cls(data_key_id, sealed) if last and text.endswith(base64.b64encode(last).decode()) else None


class _DataKeyCache:
    """The data keys used last, ready to use. An id never gets another key, so nothing here can be out of date."""

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


def _invalid(place: Place) -> DataLossError:
    return DataLossError(f"the stored ciphertext of {place} does not authenticate")


@lru_cache(maxsize=_CACHED_DATA_KEYS)
def _data_key_id(head: str) -> uuid.UUID | None:
    found = _HEAD.fullmatch(head)
    return None if found is None else uuid.UUID(hex=found[1])


def _bound_to(place: Place, data_key_id: uuid.UUID) -> bytes:
    """Return the associated data of a value."""
    return _bound_to_column(data_key_id, place.table, place.column) + _joined(place.row_id.bytes)


@lru_cache(maxsize=_CACHED_DATA_KEYS)
def _bound_to_column(data_key_id: uuid.UUID, table: str, column: str) -> bytes:
    return _joined(b"stagely-rpc value", _VERSION, data_key_id.bytes, table.encode(), column.encode())


def _joined(*parts: bytes) -> bytes:
    """Join texts so that no two lists give the same: each after its length in 4 bytes."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
