"""What teams store, encrypted as the service does it and by its code, but without a query for each value."""

from __future__ import annotations

import secrets
import uuid

from stagely_rpc.crypto import aead
from stagely_rpc.crypto.envelope import Keyring, Place, _KeyEncryptionKey
from stagely_rpc.db.models import DataKey


class StoredValues:
    """Makes a data key for each team, and encrypts by them."""

    def __init__(self, encryption_key: bytes) -> None:
        self._root = _KeyEncryptionKey(encryption_key)
        self._keyring = Keyring(encryption_key)
        self._data_keys: dict[str, DataKey] = {}

    def data_key(self, team: str) -> DataKey:
        """Return the data key of a team, by the hexadecimal digits of its id; the first time it is made."""
        if team not in self._data_keys:
            key_id, team_id = uuid.uuid4(), uuid.UUID(team)
            wrapped = self._root.wrap(secrets.token_bytes(aead.KEY_BYTES), key_id, team_id)
            self._data_keys[team] = DataKey(
                id=key_id, team_id=team_id, key_encryption_key_id=self._root.id, wrapped_key=wrapped
            )
        return self._data_keys[team]

    def sealed(self, team: str, value: bytes, place: Place) -> str:
        """Return the stored form of a team's value, for one place."""
        return self._keyring.seal(self.data_key(team), value, place=place)
