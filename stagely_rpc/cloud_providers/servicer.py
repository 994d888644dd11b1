"""CloudProviderService over gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely.v1 import cloud_provider_pb2, cloud_provider_pb2_grpc
from stagely_rpc.cloud_providers import service
from stagely_rpc.cloud_providers.convert import cloud_provider_to_proto
from stagely_rpc.cloud_providers.inputs import (
    NewProvider,
    ProviderChanges,
    ProviderDeletion,
    ProviderFilter,
    ProviderId,
    ProviderKey,
    Validation,
)
from stagely_rpc.fields import Target
from stagely_rpc.wire.requests import parse, parse_changes
from stagely_rpc.wire.values import to_struct

if TYPE_CHECKING:
    from stagely_rpc.crypto.envelope import Keyring
    from stagely_rpc.db.database import Database
    from stagely_rpc.wire.context import Context
    from stagely_rpc.wire.paging import PageTokens


class CloudProviderServicer(cloud_provider_pb2_grpc.CloudProviderServiceServicer):
    """Cloud providers and their credentials."""

    def __init__(self, db: Database, pages: PageTokens, keyring: Keyring) -> None:
        self._db = db
        self._pages = pages
        self._keyring = keyring

    async def CreateCloudProvider(
        self, request: cloud_provider_pb2.CreateCloudProviderRequest, context: Context
    ) -> cloud_provider_pb2.CreateCloudProviderResponse:
        new = parse(NewProvider, request)
        async with self._db.write() as session:
            provider = await service.create_cloud_provider(session, self._keyring, new)
            return session.answer(
                cloud_provider_pb2.CreateCloudProviderResponse(cloud_provider=cloud_provider_to_proto(provider))
            )

    async def GetCloudProvider(
        self, request: cloud_provider_pb2.GetCloudProviderRequest, context: Context
    ) -> cloud_provider_pb2.GetCloudProviderResponse:
        key = parse(ProviderKey, request)
        async with self._db.read() as session:
            provider = await service.get_cloud_provider(session, key)
            return cloud_provider_pb2.GetCloudProviderResponse(cloud_provider=cloud_provider_to_proto(provider))

    async def ListCloudProviders(
        self, request: cloud_provider_pb2.ListCloudProvidersRequest, context: Context
    ) -> cloud_provider_pb2.ListCloudProvidersResponse:
        wanted, page = parse(ProviderFilter, request), self._pages.page(request)
        async with self._db.read() as session:
            found = await service.list_cloud_providers(session, wanted, page)
            return cloud_provider_pb2.ListCloudProvidersResponse(
                cloud_providers=map(cloud_provider_to_proto, found.rows),
                next_page_token=self._pages.next_page_token(request, found.last),
            )

    async def UpdateCloudProvider(
        self, request: cloud_provider_pb2.UpdateCloudProviderRequest, context: Context
    ) -> cloud_provider_pb2.UpdateCloudProviderResponse:
        target = parse(Target, request)
        changes = parse_changes(ProviderChanges, request, cloud_provider_pb2.CloudProvider.DESCRIPTOR)
        async with self._db.write() as session:
            provider = await service.update_cloud_provider(session, self._keyring, target, changes)
            return session.answer(
                cloud_provider_pb2.UpdateCloudProviderResponse(cloud_provider=cloud_provider_to_proto(provider))
            )

    async def DeleteCloudProvider(
        self, request: cloud_provider_pb2.DeleteCloudProviderRequest, context: Context
    ) -> cloud_provider_pb2.DeleteCloudProviderResponse:
        deletion = parse(ProviderDeletion, request)
        async with self._db.write() as session:
            await service.delete_cloud_provider(session, deletion)
            return session.answer(cloud_provider_pb2.DeleteCloudProviderResponse())

    async def AccessCloudProviderCredentials(
        self, request: cloud_provider_pb2.AccessCloudProviderCredentialsRequest, context: Context
    ) -> cloud_provider_pb2.AccessCloudProviderCredentialsResponse:
        wanted = parse(ProviderId, request)
        async with self._db.read() as session:
            provider, credentials = await service.access_credentials(session, self._keyring, wanted.id)
            return cloud_provider_pb2.AccessCloudProviderCredentialsResponse(
                cloud_provider=cloud_provider_to_proto(provider), credentials=to_struct(credentials)
            )

    async def RecordCloudProviderValidation(
        self, request: cloud_provider_pb2.RecordCloudProviderValidationRequest, context: Context
    ) -> cloud_provider_pb2.RecordCloudProviderValidationResponse:
        validation = parse(Validation, request)
        async with self._db.write() as session:
            provider = await service.record_validation(session, validation)
            return session.answer(
                cloud_provider_pb2.RecordCloudProviderValidationResponse(
                    cloud_provider=cloud_provider_to_proto(provider)
                )
            )
