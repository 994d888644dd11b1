"""SecretService over gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely.v1 import secret_pb2, secret_pb2_grpc
from stagely_rpc.secrets import service
from stagely_rpc.secrets.convert import resolved_to_proto, secret_to_proto
from stagely_rpc.secrets.inputs import NewSecret, SecretDeletion, SecretFilter, SecretKey, ServiceScope
from stagely_rpc.wire.requests import parse

if TYPE_CHECKING:
    from stagely_rpc.crypto.envelope import Keyring
    from stagely_rpc.db.database import Database
    from stagely_rpc.wire.context import Context
    from stagely_rpc.wire.paging import PageTokens


class SecretServicer(secret_pb2_grpc.SecretServiceServicer):
    """The secrets of projects."""

    def __init__(self, db: Database, pages: PageTokens, keyring: Keyring) -> None:
        self._db = db
        self._pages = pages
        self._keyring = keyring

    async def SetSecret(self, request: secret_pb2.SetSecretRequest, context: Context) -> secret_pb2.SetSecretResponse:
        new = parse(NewSecret, request)
        async with self._db.write() as session:
            secret, created = await service.set_secret(session, self._keyring, new)
            return session.answer(secret_pb2.SetSecretResponse(secret=secret_to_proto(secret), created=created))

    async def GetSecret(self, request: secret_pb2.GetSecretRequest, context: Context) -> secret_pb2.GetSecretResponse:
        key = parse(SecretKey, request)
        async with self._db.read() as session:
            secret = await service.get_secret(session, key)
            return secret_pb2.GetSecretResponse(secret=secret_to_proto(secret))

    async def ListSecrets(
        self, request: secret_pb2.ListSecretsRequest, context: Context
    ) -> secret_pb2.ListSecretsResponse:
        wanted, page = parse(SecretFilter, request), self._pages.page(request)
        async with self._db.read() as session:
            found = await service.list_secrets(session, wanted, page)
            return secret_pb2.ListSecretsResponse(
                secrets=map(secret_to_proto, found.rows),
                next_page_token=self._pages.next_page_token(request, found.last),
            )

    async def AccessSecret(
        self, request: secret_pb2.AccessSecretRequest, context: Context
    ) -> secret_pb2.AccessSecretResponse:
        key = parse(SecretKey, request)
        async with self._db.read() as session:
            secret, value = await service.access_secret(session, self._keyring, key)
            return secret_pb2.AccessSecretResponse(secret=secret_to_proto(secret), value=value)

    async def DeleteSecret(
        self, request: secret_pb2.DeleteSecretRequest, context: Context
    ) -> secret_pb2.DeleteSecretResponse:
        deletion = parse(SecretDeletion, request)
        async with self._db.write() as session:
            await service.delete_secret(session, deletion)
            return session.answer(secret_pb2.DeleteSecretResponse())

    async def ResolveSecrets(
        self, request: secret_pb2.ResolveSecretsRequest, context: Context
    ) -> secret_pb2.ResolveSecretsResponse:
        wanted = parse(ServiceScope, request)
        async with self._db.read() as session:
            resolved = await service.resolve_secrets(session, self._keyring, wanted)
            return secret_pb2.ResolveSecretsResponse(secrets=[resolved_to_proto(*pair) for pair in resolved])
