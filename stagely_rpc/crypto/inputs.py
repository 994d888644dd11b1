"""Inputs of encryption and decryption. The models' reprs leave secrets out."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from stagely_rpc.crypto.aead import KEY_BYTES
from stagely_rpc.fields import Input

MAX_PLAINTEXT_BYTES = 64 * 1024


def _key(key: bytes) -> bytes:
    if len(key) != KEY_BYTES:
        raise ValueError("encryption key must be 32 bytes")
    return key


Key = Annotated[bytes, AfterValidator(_key), Field(repr=False, validate_default=True)]
"""A caller's key. A missing key fails the length check."""

AssociatedData = Annotated[bytes, Field(max_length=64 * 1024)]


class Encryption(Input):
    """What to encrypt, and how."""

    key: Key = b""
    plaintext: Annotated[bytes, Field(max_length=MAX_PLAINTEXT_BYTES, repr=False)] = b""
    associated_data: AssociatedData = b""


class Decryption(Input):
    """What to decrypt, and how."""

    key: Key = b""
    ciphertext: str = ""
    associated_data: AssociatedData = b""
