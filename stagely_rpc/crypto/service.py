"""Encryption with the caller's key: AES-256-GCM, base64(nonce ‖ ciphertext ‖ tag)."""

from __future__ import annotations

import base64
import binascii
import secrets
import string

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from stagely_rpc.crypto import aead
from stagely_rpc.crypto.inputs import MAX_PLAINTEXT_BYTES, Decryption, Encryption
from stagely_rpc.errors import InvalidArgumentError

_MAX_SEALED_BYTES = aead.NONCE_BYTES + MAX_PLAINTEXT_BYTES + aead.TAG_BYTES
_LINE_BREAKS = b"\r\n"
_BASE64 = (string.ascii_letters + string.digits + "+/").encode()
_PADDINGS = (b"", b"=", b"==")


def generate_key() -> bytes:
    """Return a new key."""
    return secrets.token_bytes(aead.KEY_BYTES)


def encrypt(wanted: Encryption) -> str:
    """Encrypt a plaintext. The ciphertext differs each time."""
    sealed = aead.encrypt(AESGCM(wanted.key), wanted.plaintext, wanted.associated_data)
    return base64.b64encode(sealed).decode()


def decrypt(wanted: Decryption) -> bytes:
    """Decrypt a ciphertext.

    Raises:
        InvalidArgumentError: the ciphertext is malformed, is too long, or does not authenticate.
    """
    sealed = _decoded(wanted.ciphertext)
    if len(sealed) < aead.NONCE_BYTES:
        raise _refusal("ciphertext too short", "CIPHERTEXT_MALFORMED")
    if len(sealed) > _MAX_SEALED_BYTES:
        raise _refusal(f"must be the ciphertext of at most {MAX_PLAINTEXT_BYTES} bytes", "CIPHERTEXT_TOO_LONG")
    try:
        return aead.decrypt(AESGCM(wanted.key), sealed, wanted.associated_data)
    except aead.AuthenticationError as error:
        refusal = _refusal("authentication failed (wrong key or tampered data)", "DECRYPTION_FAILED")
        raise refusal from error


def _decoded(ciphertext: str) -> bytes:
    """Decode base64 as Go's `base64.StdEncoding` does: skip line breaks, require padding."""
    text = ciphertext.encode().translate(None, _LINE_BREAKS)
    # Python's decoder accepts `AAAA=`, and its checks differ between Python versions.
    padding = text.translate(None, _BASE64)
    if len(text) % 4 or padding not in _PADDINGS or not text.endswith(padding):
        raise _refusal("invalid ciphertext encoding", "CIPHERTEXT_MALFORMED")
    return binascii.a2b_base64(text)


def _refusal(description: str, reason: str) -> InvalidArgumentError:
    return InvalidArgumentError.of("ciphertext", description, reason=reason)
