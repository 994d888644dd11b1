"""Keys of their own for each purpose, all from one."""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def derived(key: bytes, purpose: bytes, *, length: int = 32) -> bytes:
    """Return what HKDF (RFC 5869) with SHA-256 derives from a key for a purpose: it says nothing of the key.

    Args:
        key: 32 random bytes.
        purpose: another for each use. What is stored depends on it: it stays as it is.
        length: in bytes.
    """
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=None, info=b"stagely-rpc " + purpose).derive(key)
