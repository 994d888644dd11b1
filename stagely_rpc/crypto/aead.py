"""AES-256-GCM as everything here stores and sends it: nonce ‖ ciphertext ‖ tag.

The nonce is random: with one key, encrypt fewer than 2^32 times (NIST SP 800-38D, 8.3).
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
    """The key or the associated data is another one, or a bit was changed. There is no plaintext."""


def encrypt(key: AESGCM, plaintext: bytes, associated_data: bytes) -> bytes:
    """Encrypt under a nonce of its own."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + key.encrypt(nonce, plaintext, associated_data)


def decrypt(key: AESGCM, sealed: bytes, associated_data: bytes) -> bytes:
    """Return the plaintext of what `encrypt` made with the same key and associated data.

    Raises:
        AuthenticationError: it is not that, or too short to be anything.
    """
    if len(sealed) < NONCE_BYTES + TAG_BYTES:
        raise AuthenticationError
    try:
        return key.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], associated_data)
    except InvalidTag:
        raise AuthenticationError from None
