"""CryptoService over gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely.v1 import crypto_pb2, crypto_pb2_grpc
from stagely_rpc.crypto import service
from stagely_rpc.crypto.inputs import Decryption, Encryption
from stagely_rpc.wire.requests import parse

if TYPE_CHECKING:
    from stagely_rpc.wire.context import Context


class CryptoServicer(crypto_pb2_grpc.CryptoServiceServicer):
    """Encryption with the caller's key. The largest request takes microseconds, so no thread is used."""

    async def GenerateKey(
        self, request: crypto_pb2.GenerateKeyRequest, context: Context
    ) -> crypto_pb2.GenerateKeyResponse:
        return crypto_pb2.GenerateKeyResponse(key=service.generate_key())

    async def Encrypt(self, request: crypto_pb2.EncryptRequest, context: Context) -> crypto_pb2.EncryptResponse:
        wanted = parse(Encryption, request)
        return crypto_pb2.EncryptResponse(ciphertext=service.encrypt(wanted))

    async def Decrypt(self, request: crypto_pb2.DecryptRequest, context: Context) -> crypto_pb2.DecryptResponse:
        wanted = parse(Decryption, request)
        return crypto_pb2.DecryptResponse(plaintext=service.decrypt(wanted))
