"""AES-256-GCM. The sealed form is nonce ‖ ciphertext ‖ tag.

The nonce is random. Use one key for fewer than 2^32 encryptions (NIST SP 800-38D, 8.3).
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16


class AuthenticationError(Exception):
    """The key or the associated data is wrong, or the ciphertext was changed."""


def encrypt(key: AESGCM, plaintext: bytes, associated_data: bytes) -> bytes:
    """Encrypt under a new random nonce."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + key.encrypt(nonce, plaintext, associated_data)


def decrypt(key: AESGCM, sealed: bytes, associated_data: bytes) -> bytes:
    """Decrypt a result of `encrypt` with the same key and associated data.

    Raises:
        AuthenticationError: the sealed form does not authenticate, or is too short.
    """
    if len(sealed) < NONCE_BYTES + TAG_BYTES:
        raise AuthenticationError
    try:
        return key.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], associated_data)
    except InvalidTag:
        raise AuthenticationError from None
