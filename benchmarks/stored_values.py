"""What teams store, encrypted as the service does it and by its code, but without a query for each value."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from stagely_rpc.crypto.envelope import Keyring, StorageLocation
from stagely_rpc.db.models.rows import DataKeyRow


class StoredValues:
    """Makes a data key for each team, and encrypts by them."""

    def __init__(self, encryption_key: bytes) -> None:
        self._keyring = Keyring(encryption_key)
        self._data_keys: dict[str, DataKeyRow] = {}

    def data_key(self, team: str) -> DataKeyRow:
        """Return the data key of a team, by the hexadecimal digits of its id; the first time it is made."""
        if team not in self._data_keys:
            new = self._keyring.new_data_key(uuid.UUID(team))
            self._data_keys[team] = DataKeyRow(**new, created_at=datetime.now(UTC), retired_at=None)
        return self._data_keys[team]

    def sealed(self, team: str, value: bytes, location: StorageLocation) -> str:
        """Return the stored form of a team's value, for one location."""
        return self._keyring.seal(self.data_key(team), value, location=location)
