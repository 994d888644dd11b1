"""Crypto: see the service in the contract. Generated from protos/ by `make generate`. Do not edit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely.v1 import crypto_pb2, crypto_pb2_grpc
from stagely_rpc.client.requests import build

if TYPE_CHECKING:
    from stagely_rpc.client.calls import Calls
    from stagely_rpc.client.sync_calls import SyncCalls


class Crypto:
    """CryptoService encrypts and decrypts with keys that the caller supplies (AES-256-GCM). It stores nothing and needs
    no database. The secrets and credentials that other services of this package store are encrypted with different
    keys, which never leave the server.

    A ciphertext is the base64 encoding (RFC 4648, section 4: standard alphabet, with padding) of a random 12-byte
    nonce, the encrypted bytes and the 16-byte tag. It is interoperable with any implementation of AES-GCM.
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
        """Encrypt encrypts with the caller's key. Each call uses a new random nonce, so the same plaintext gives a
        different ciphertext each time. Use a key for fewer than 2^32 encryptions (NIST SP 800-38D).

        Codes:
        - INVALID_ARGUMENT: the key is not 32 bytes long ("encryption key must be 32 bytes"); the plaintext or the
          associated data is too long.

        Args:
            plaintext: 0 to 65,536 bytes.
            key: Required. 32 bytes.
            associated_data: 0 to 65,536 bytes that are authenticated and not encrypted, such as the ciphertext's
                location. Decrypt needs the same bytes.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            crypto_pb2.EncryptRequest, {"plaintext": plaintext, "key": key, "associated_data": associated_data}
        )
        return await self._calls.unary(self._rpcs.Encrypt, request, timeout)

    async def decrypt(
        self, *, ciphertext: str, key: bytes, associated_data: bytes | None = None, timeout: float | None = None
    ) -> crypto_pb2.DecryptResponse:
        """Decrypt returns the plaintext. It needs the key and the associated data of the encryption.

        Codes:
        - INVALID_ARGUMENT: the key is not 32 bytes long ("encryption key must be 32 bytes"); the associated data is
          too long; the ciphertext is not base64 ("invalid ciphertext encoding"), has fewer than 12 bytes
          ("ciphertext too short"), is too long, or does not authenticate ("authentication failed (wrong key or
          tampered data)").

        Args:
            ciphertext: Required. The ciphertext of a plaintext of at most 65,536 bytes. Line breaks are ignored.
            key: Required. 32 bytes.
            associated_data: The associated data given to Encrypt.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            crypto_pb2.DecryptRequest, {"ciphertext": ciphertext, "key": key, "associated_data": associated_data}
        )
        return await self._calls.unary(self._rpcs.Decrypt, request, timeout)


class SyncCrypto:
    """CryptoService encrypts and decrypts with keys that the caller supplies (AES-256-GCM). It stores nothing and needs
    no database. The secrets and credentials that other services of this package store are encrypted with different
    keys, which never leave the server.

    A ciphertext is the base64 encoding (RFC 4648, section 4: standard alphabet, with padding) of a random 12-byte
    nonce, the encrypted bytes and the 16-byte tag. It is interoperable with any implementation of AES-GCM.
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
        """Encrypt encrypts with the caller's key. Each call uses a new random nonce, so the same plaintext gives a
        different ciphertext each time. Use a key for fewer than 2^32 encryptions (NIST SP 800-38D).

        Codes:
        - INVALID_ARGUMENT: the key is not 32 bytes long ("encryption key must be 32 bytes"); the plaintext or the
          associated data is too long.

        Args:
            plaintext: 0 to 65,536 bytes.
            key: Required. 32 bytes.
            associated_data: 0 to 65,536 bytes that are authenticated and not encrypted, such as the ciphertext's
                location. Decrypt needs the same bytes.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            crypto_pb2.EncryptRequest, {"plaintext": plaintext, "key": key, "associated_data": associated_data}
        )
        return self._calls.unary(self._rpcs.Encrypt, request, timeout)

    def decrypt(
        self, *, ciphertext: str, key: bytes, associated_data: bytes | None = None, timeout: float | None = None
    ) -> crypto_pb2.DecryptResponse:
        """Decrypt returns the plaintext. It needs the key and the associated data of the encryption.

        Codes:
        - INVALID_ARGUMENT: the key is not 32 bytes long ("encryption key must be 32 bytes"); the associated data is
          too long; the ciphertext is not base64 ("invalid ciphertext encoding"), has fewer than 12 bytes
          ("ciphertext too short"), is too long, or does not authenticate ("authentication failed (wrong key or
          tampered data)").

        Args:
            ciphertext: Required. The ciphertext of a plaintext of at most 65,536 bytes. Line breaks are ignored.
            key: Required. 32 bytes.
            associated_data: The associated data given to Encrypt.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            crypto_pb2.DecryptRequest, {"ciphertext": ciphertext, "key": key, "associated_data": associated_data}
        )
        return self._calls.unary(self._rpcs.Decrypt, request, timeout)
