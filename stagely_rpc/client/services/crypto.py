"""Crypto: see the service in the contract. Generated from protos/ by `make generate`: not to be edited."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely.v1 import crypto_pb2, crypto_pb2_grpc
from stagely_rpc.client.requests import build

if TYPE_CHECKING:
    from stagely_rpc.client.calls import Calls
    from stagely_rpc.client.sync_calls import SyncCalls


class Crypto:
    """CryptoService encrypts for callers with keys that are theirs: AES-256-GCM. It stores nothing and needs no
    database. What other services store encrypted, they encrypt themselves with keys that never leave this one.

    A ciphertext is base64 (RFC 4648, section 4: the standard alphabet, padded) of a random nonce of 12 bytes, the
    encrypted bytes, and the tag of 16 bytes. Any other implementation of AES-GCM can read it, and write it.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._rpcs = crypto_pb2_grpc.CryptoServiceStub(calls.channel)

    async def generate_key(self, *, timeout: float | None = None) -> crypto_pb2.GenerateKeyResponse:
        """GenerateKey returns a new random key.

        Args:
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(crypto_pb2.GenerateKeyRequest, {})
        return await self._calls.unary(self._rpcs.GenerateKey, request, timeout)

    async def encrypt(
        self,
        *,
        key: bytes,
        plaintext: bytes | None = None,
        associated_data: bytes | None = None,
        timeout: float | None = None,
    ) -> crypto_pb2.EncryptResponse:
        """Encrypt encrypts under a key of the caller. Each call takes a nonce of its own: one plaintext gives another
        ciphertext each time. A key should encrypt fewer than 2^32 times.

        Codes:
        - INVALID_ARGUMENT: the key has not 32 bytes ("encryption key must be 32 bytes"); or the plaintext or the
          associated data is too long.

        Args:
            plaintext: 0 to 65,536 bytes.
            key: Required. 32 bytes.
            associated_data: 0 to 65,536 bytes that are not in the ciphertext, but without which it does not decrypt:
                where it belongs, for example.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            crypto_pb2.EncryptRequest, {"plaintext": plaintext, "key": key, "associated_data": associated_data}
        )
        return await self._calls.unary(self._rpcs.Encrypt, request, timeout)

    async def decrypt(
        self, *, ciphertext: str, key: bytes, associated_data: bytes | None = None, timeout: float | None = None
    ) -> crypto_pb2.DecryptResponse:
        """Decrypt returns what was encrypted with the same key and associated data.

        Codes:
        - INVALID_ARGUMENT: the key has not 32 bytes ("encryption key must be 32 bytes"); the associated data is too long;
          the ciphertext is no base64 ("invalid ciphertext encoding"), has less than 12 bytes ("ciphertext too short"),
          holds too much, or does not authenticate ("authentication failed (wrong key or tampered data)").

        Args:
            ciphertext: Required. Of a plaintext of at most 65,536 bytes. Line breaks in it are skipped.
            key: Required. 32 bytes.
            associated_data: As given to Encrypt.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            crypto_pb2.DecryptRequest, {"ciphertext": ciphertext, "key": key, "associated_data": associated_data}
        )
        return await self._calls.unary(self._rpcs.Decrypt, request, timeout)


class SyncCrypto:
    """CryptoService encrypts for callers with keys that are theirs: AES-256-GCM. It stores nothing and needs no
    database. What other services store encrypted, they encrypt themselves with keys that never leave this one.

    A ciphertext is base64 (RFC 4648, section 4: the standard alphabet, padded) of a random nonce of 12 bytes, the
    encrypted bytes, and the tag of 16 bytes. Any other implementation of AES-GCM can read it, and write it.
    """

    def __init__(self, calls: SyncCalls) -> None:
        self._calls = calls
        self._rpcs = crypto_pb2_grpc.CryptoServiceStub(calls.channel)

    def generate_key(self, *, timeout: float | None = None) -> crypto_pb2.GenerateKeyResponse:
        """GenerateKey returns a new random key.

        Args:
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(crypto_pb2.GenerateKeyRequest, {})
        return self._calls.unary(self._rpcs.GenerateKey, request, timeout)

    def encrypt(
        self,
        *,
        key: bytes,
        plaintext: bytes | None = None,
        associated_data: bytes | None = None,
        timeout: float | None = None,
    ) -> crypto_pb2.EncryptResponse:
        """Encrypt encrypts under a key of the caller. Each call takes a nonce of its own: one plaintext gives another
        ciphertext each time. A key should encrypt fewer than 2^32 times.

        Codes:
        - INVALID_ARGUMENT: the key has not 32 bytes ("encryption key must be 32 bytes"); or the plaintext or the
          associated data is too long.

        Args:
            plaintext: 0 to 65,536 bytes.
            key: Required. 32 bytes.
            associated_data: 0 to 65,536 bytes that are not in the ciphertext, but without which it does not decrypt:
                where it belongs, for example.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            crypto_pb2.EncryptRequest, {"plaintext": plaintext, "key": key, "associated_data": associated_data}
        )
        return self._calls.unary(self._rpcs.Encrypt, request, timeout)

    def decrypt(
        self, *, ciphertext: str, key: bytes, associated_data: bytes | None = None, timeout: float | None = None
    ) -> crypto_pb2.DecryptResponse:
        """Decrypt returns what was encrypted with the same key and associated data.

        Codes:
        - INVALID_ARGUMENT: the key has not 32 bytes ("encryption key must be 32 bytes"); the associated data is too long;
          the ciphertext is no base64 ("invalid ciphertext encoding"), has less than 12 bytes ("ciphertext too short"),
          holds too much, or does not authenticate ("authentication failed (wrong key or tampered data)").

        Args:
            ciphertext: Required. Of a plaintext of at most 65,536 bytes. Line breaks in it are skipped.
            key: Required. 32 bytes.
            associated_data: As given to Encrypt.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            crypto_pb2.DecryptRequest, {"ciphertext": ciphertext, "key": key, "associated_data": associated_data}
        )
        return self._calls.unary(self._rpcs.Decrypt, request, timeout)
