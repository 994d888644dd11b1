"""A second implementation of AES-256-GCM and of the stored form. It uses no code of `stagely_rpc.crypto`."""

from __future__ import annotations

import base64
import struct
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import GCM

if TYPE_CHECKING:
    from stagely_rpc.crypto.envelope import StorageLocation
    from stagely_rpc.db.models import DataKey


def open_sealed(key: bytes, encoded: str, associated_data: bytes = b"") -> bytes:
    """Decrypt base64(nonce ‖ ciphertext ‖ tag)."""
    sealed = base64.b64decode(encoded, validate=True)
    nonce, ciphertext, tag = sealed[:12], sealed[12:-16], sealed[-16:]
    decryptor = Cipher(AES256(key), GCM(nonce, tag)).decryptor()
    decryptor.authenticate_additional_data(associated_data)
    return decryptor.update(ciphertext) + decryptor.finalize()


def open_independently(key: bytes, row: DataKey, stored: str, location: StorageLocation) -> bytes:
    """Decrypt a stored value with the key-encryption key and the row of its data key."""
    data_key_id, kek_id = row.id.bytes, row.key_encryption_key_id.encode()
    wrapped = row.wrapped_key.split(".")
    assert wrapped[:2] == ["v1", row.id.hex]
    bound = _prefixed(b"stagely-rpc data key", b"v1", data_key_id, row.team_id.bytes, kek_id)
    data_key = open_sealed(key, wrapped[2], bound)

    value = stored.split(".")
    assert value[:2] == ["v1", row.id.hex]
    names = location.table.encode(), location.column.encode()
    return open_sealed(
        data_key, value[2], _prefixed(b"stagely-rpc value", b"v1", data_key_id, *names, location.row_id.bytes)
    )


def _prefixed(*parts: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)
