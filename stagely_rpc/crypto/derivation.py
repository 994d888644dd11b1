"""Key derivation: one key for each purpose, all from one root key."""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def derive_key(key: bytes, purpose: bytes, *, length: int = 32) -> bytes:
    """Derive a key for one purpose with HKDF-SHA-256 (RFC 5869). The result reveals nothing about the root key.

    Args:
        key: the root key, 32 random bytes.
        purpose: unique for each use. Never change it: stored data depends on it.
        length: the length of the result in bytes.
    """
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=None, info=b"stagely-rpc " + purpose).derive(key)
