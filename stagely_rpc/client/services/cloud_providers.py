"""CloudProvider: see the service in the contract. Generated from protos/ by `make generate`: not to be edited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from stagely.v1 import cloud_provider_pb2, cloud_provider_pb2_grpc
from stagely_rpc.client.paging import Pager, SyncPager
from stagely_rpc.client.requests import UNSET, build, build_update, new_request_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf import struct_pb2

    from stagely_rpc.client.calls import Calls
    from stagely_rpc.client.requests import Unset
    from stagely_rpc.client.sync_calls import SyncCalls

CloudProviderTypeName = Literal["aws", "gcp", "digitalocean", "hetzner", "linode"]


class CloudProviders:
    """CloudProviderService keeps the teams' own cloud accounts, in which their environments run, and the credentials to
    them.

    Credentials go in with CreateCloudProvider and UpdateCloudProvider, are stored encrypted, and come out of
    AccessCloudProviderCredentials alone. An RPC that takes or returns them fails with FAILED_PRECONDITION
    (ENCRYPTION_KEY_MISSING) on a server that has no encryption key, and with DATA_LOSS if the team's key can't be
    decrypted.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._rpcs = cloud_provider_pb2_grpc.CloudProviderServiceStub(calls.channel)

    async def create(
        self,
        *,
        team_id: str,
        name: str,
        provider_type: cloud_provider_pb2.CloudProviderType.ValueType | CloudProviderTypeName,
        credentials: struct_pb2.Struct | Mapping[str, object],
        region: str | None = None,
        config: struct_pb2.Struct | Mapping[str, object] | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> cloud_provider_pb2.CloudProvider:
        """CreateCloudProvider adds a cloud account to a team. It is active at once, and not validated yet.

        Codes:
        - NOT_FOUND: there is no such team.
        - ALREADY_EXISTS: the name is taken in the team.
        - FAILED_PRECONDITION: the team is deleted.

        Args:
            team_id: Required.
            name: Required. 1 to 100 characters.
            provider_type: Required.
            credentials: Required. A JSON object that is not empty, of at most 65,536 bytes as JSON, and 20 levels deep.
            region: 1 to 50 characters.
            config: At most 65,536 bytes as JSON, and 20 levels deep. Default: an empty object.
            request_id: A UUID, by which a repetition is known.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            cloud_provider_pb2.CreateCloudProviderRequest,
            {
                "team_id": team_id,
                "name": name,
                "provider_type": provider_type,
                "credentials": credentials,
                "region": region,
                "config": config,
                "request_id": request_id or new_request_id(),
            },
        )
        response = await self._calls.unary(self._rpcs.CreateCloudProvider, request, timeout)
        return response.cloud_provider

    async def get(
        self,
        id: str | None = None,
        *,
        team_name: cloud_provider_pb2.CloudProviderName | Mapping[str, object] | None = None,
        timeout: float | None = None,
    ) -> cloud_provider_pb2.CloudProvider:
        """GetCloudProvider returns one cloud account, without its credentials, by its id, or by its team and name.

        Codes:
        - NOT_FOUND: there is no such cloud provider.

        Args:
            id: Or else team_name.
            team_name: Or else id.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(cloud_provider_pb2.GetCloudProviderRequest, {"id": id, "team_name": team_name})
        response = await self._calls.unary(self._rpcs.GetCloudProvider, request, timeout)
        return response.cloud_provider

    def list(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        team_id: str | None = None,
        provider_type: cloud_provider_pb2.CloudProviderType.ValueType | CloudProviderTypeName | None = None,
        is_active: bool | None = None,
        timeout: float | None = None,
    ) -> Pager[cloud_provider_pb2.CloudProvider, cloud_provider_pb2.ListCloudProvidersResponse]:
        """ListCloudProviders returns cloud accounts, without their credentials, newest first.

        Args:
            page_size: At most this many cloud providers.
            page_token: `next_page_token` of the page before.
            team_id: Only cloud providers of this team.
            provider_type: Only cloud providers of this type.
            is_active: Only active cloud providers, or only the others.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            cloud_provider_pb2.ListCloudProvidersRequest,
            {
                "page_size": page_size,
                "page_token": page_token,
                "team_id": team_id,
                "provider_type": provider_type,
                "is_active": is_active,
            },
        )
        return Pager(
            lambda page: self._calls.unary(self._rpcs.ListCloudProviders, page, timeout),
            request,
            lambda page: page.cloud_providers,
        )

    async def update(
        self,
        id: str,
        *,
        etag: str | None = None,
        name: str | None | Unset = UNSET,
        region: str | None | Unset = UNSET,
        config: struct_pb2.Struct | Mapping[str, object] | None | Unset = UNSET,
        is_active: bool | None | Unset = UNSET,
        credentials: struct_pb2.Struct | Mapping[str, object] | None | Unset = UNSET,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> cloud_provider_pb2.CloudProvider:
        """UpdateCloudProvider changes a cloud account. The team and the type can't change. New credentials are not
        validated yet: they clear `last_validated_at` and `validation_error`.

        Codes:
        - NOT_FOUND: there is no such cloud provider.
        - ALREADY_EXISTS: the name is taken in the team.
        - FAILED_PRECONDITION: the team is deleted.
        - ABORTED: the etag is stale.

        Args:
            id: Required.
            name: As in CreateCloudProviderRequest; can't be cleared.
            region: As in CreateCloudProviderRequest.
            config: As in CreateCloudProviderRequest; replaced as a whole. Cleared, it is an empty object again.
            is_active: Cleared, it is true again.
            credentials: As in CreateCloudProviderRequest; replaced as a whole, can't be cleared.
            request_id: A UUID, by which a repetition is known.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build_update(
            cloud_provider_pb2.UpdateCloudProviderRequest,
            {"id": id, "etag": etag, "request_id": request_id or new_request_id()},
            {"name": name, "region": region, "config": config, "is_active": is_active, "credentials": credentials},
        )
        response = await self._calls.unary(self._rpcs.UpdateCloudProvider, request, timeout)
        return response.cloud_provider

    async def delete(
        self,
        id: str,
        *,
        etag: str | None = None,
        force: bool | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """DeleteCloudProvider deletes a cloud account for good, with its credentials. The name is free again. With
        `force` it deletes one that projects use: their `cloud_provider_id` is unset then, and what runs in the
        account is the caller's to tear down before.

        Codes:
        - NOT_FOUND: there is no such cloud provider.
        - FAILED_PRECONDITION: projects use it, and `force` is not set (CLOUD_PROVIDER_IN_USE); or the team is deleted.
        - ABORTED: the etag is stale.

        Args:
            id: Required.
            force: Delete the cloud provider though projects use it.
            request_id: A UUID, by which a repetition is known.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            cloud_provider_pb2.DeleteCloudProviderRequest,
            {"id": id, "etag": etag, "force": force, "request_id": request_id or new_request_id()},
        )
        await self._calls.unary(self._rpcs.DeleteCloudProvider, request, timeout)

    async def access_credentials(
        self, id: str, *, timeout: float | None = None
    ) -> cloud_provider_pb2.AccessCloudProviderCredentialsResponse:
        """AccessCloudProviderCredentials returns the credentials of a cloud account, also of one that is not active or
        whose team is deleted: what still runs there must be taken down.

        Codes:
        - NOT_FOUND: there is no such cloud provider.
        - DATA_LOSS: the stored credentials don't decrypt: they were changed, or are those of another cloud provider. Nothing is returned.

        Args:
            id: Required.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(cloud_provider_pb2.AccessCloudProviderCredentialsRequest, {"id": id})
        return await self._calls.unary(self._rpcs.AccessCloudProviderCredentials, request, timeout)

    async def record_validation(
        self,
        id: str,
        *,
        etag: str | None = None,
        validation_error: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> cloud_provider_pb2.CloudProvider:
        """RecordCloudProviderValidation records whether the credentials work, as the caller found: without an error it
        sets `last_validated_at` to now and clears `validation_error`; with one it sets `validation_error`, and
        `last_validated_at` stays the time of the last success. With the etag of what was validated, a result of old
        credentials is not taken for one of new ones.

        Codes:
        - NOT_FOUND: there is no such cloud provider.
        - FAILED_PRECONDITION: the team is deleted.
        - ABORTED: the etag is stale.

        Args:
            id: Required.
            validation_error: Why the credentials don't work: 1 to 4,096 characters, of more than one line if need be.
                No place for secrets. Unset, they do work.
            request_id: A UUID, by which a repetition is known.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            cloud_provider_pb2.RecordCloudProviderValidationRequest,
            {
                "id": id,
                "etag": etag,
                "validation_error": validation_error,
                "request_id": request_id or new_request_id(),
            },
        )
        response = await self._calls.unary(self._rpcs.RecordCloudProviderValidation, request, timeout)
        return response.cloud_provider


class SyncCloudProviders:
    """CloudProviderService keeps the teams' own cloud accounts, in which their environments run, and the credentials to
    them.

    Credentials go in with CreateCloudProvider and UpdateCloudProvider, are stored encrypted, and come out of
    AccessCloudProviderCredentials alone. An RPC that takes or returns them fails with FAILED_PRECONDITION
    (ENCRYPTION_KEY_MISSING) on a server that has no encryption key, and with DATA_LOSS if the team's key can't be
    decrypted.
    """

    def __init__(self, calls: SyncCalls) -> None:
        self._calls = calls
        self._rpcs = cloud_provider_pb2_grpc.CloudProviderServiceStub(calls.channel)

    def create(
        self,
        *,
        team_id: str,
        name: str,
        provider_type: cloud_provider_pb2.CloudProviderType.ValueType | CloudProviderTypeName,
        credentials: struct_pb2.Struct | Mapping[str, object],
        region: str | None = None,
        config: struct_pb2.Struct | Mapping[str, object] | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> cloud_provider_pb2.CloudProvider:
        """CreateCloudProvider adds a cloud account to a team. It is active at once, and not validated yet.

        Codes:
        - NOT_FOUND: there is no such team.
        - ALREADY_EXISTS: the name is taken in the team.
        - FAILED_PRECONDITION: the team is deleted.

        Args:
            team_id: Required.
            name: Required. 1 to 100 characters.
            provider_type: Required.
            credentials: Required. A JSON object that is not empty, of at most 65,536 bytes as JSON, and 20 levels deep.
            region: 1 to 50 characters.
            config: At most 65,536 bytes as JSON, and 20 levels deep. Default: an empty object.
            request_id: A UUID, by which a repetition is known.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            cloud_provider_pb2.CreateCloudProviderRequest,
            {
                "team_id": team_id,
                "name": name,
                "provider_type": provider_type,
                "credentials": credentials,
                "region": region,
                "config": config,
                "request_id": request_id or new_request_id(),
            },
        )
        response = self._calls.unary(self._rpcs.CreateCloudProvider, request, timeout)
        return response.cloud_provider

    def get(
        self,
        id: str | None = None,
        *,
        team_name: cloud_provider_pb2.CloudProviderName | Mapping[str, object] | None = None,
        timeout: float | None = None,
    ) -> cloud_provider_pb2.CloudProvider:
        """GetCloudProvider returns one cloud account, without its credentials, by its id, or by its team and name.

        Codes:
        - NOT_FOUND: there is no such cloud provider.

        Args:
            id: Or else team_name.
            team_name: Or else id.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(cloud_provider_pb2.GetCloudProviderRequest, {"id": id, "team_name": team_name})
        response = self._calls.unary(self._rpcs.GetCloudProvider, request, timeout)
        return response.cloud_provider

    def list(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        team_id: str | None = None,
        provider_type: cloud_provider_pb2.CloudProviderType.ValueType | CloudProviderTypeName | None = None,
        is_active: bool | None = None,
        timeout: float | None = None,
    ) -> SyncPager[cloud_provider_pb2.CloudProvider, cloud_provider_pb2.ListCloudProvidersResponse]:
        """ListCloudProviders returns cloud accounts, without their credentials, newest first.

        Args:
            page_size: At most this many cloud providers.
            page_token: `next_page_token` of the page before.
            team_id: Only cloud providers of this team.
            provider_type: Only cloud providers of this type.
            is_active: Only active cloud providers, or only the others.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            cloud_provider_pb2.ListCloudProvidersRequest,
            {
                "page_size": page_size,
                "page_token": page_token,
                "team_id": team_id,
                "provider_type": provider_type,
                "is_active": is_active,
            },
        )
        return SyncPager(
            lambda page: self._calls.unary(self._rpcs.ListCloudProviders, page, timeout),
            request,
            lambda page: page.cloud_providers,
        )

    def update(
        self,
        id: str,
        *,
        etag: str | None = None,
        name: str | None | Unset = UNSET,
        region: str | None | Unset = UNSET,
        config: struct_pb2.Struct | Mapping[str, object] | None | Unset = UNSET,
        is_active: bool | None | Unset = UNSET,
        credentials: struct_pb2.Struct | Mapping[str, object] | None | Unset = UNSET,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> cloud_provider_pb2.CloudProvider:
        """UpdateCloudProvider changes a cloud account. The team and the type can't change. New credentials are not
        validated yet: they clear `last_validated_at` and `validation_error`.

        Codes:
        - NOT_FOUND: there is no such cloud provider.
        - ALREADY_EXISTS: the name is taken in the team.
        - FAILED_PRECONDITION: the team is deleted.
        - ABORTED: the etag is stale.

        Args:
            id: Required.
            name: As in CreateCloudProviderRequest; can't be cleared.
            region: As in CreateCloudProviderRequest.
            config: As in CreateCloudProviderRequest; replaced as a whole. Cleared, it is an empty object again.
            is_active: Cleared, it is true again.
            credentials: As in CreateCloudProviderRequest; replaced as a whole, can't be cleared.
            request_id: A UUID, by which a repetition is known.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build_update(
            cloud_provider_pb2.UpdateCloudProviderRequest,
            {"id": id, "etag": etag, "request_id": request_id or new_request_id()},
            {"name": name, "region": region, "config": config, "is_active": is_active, "credentials": credentials},
        )
        response = self._calls.unary(self._rpcs.UpdateCloudProvider, request, timeout)
        return response.cloud_provider

    def delete(
        self,
        id: str,
        *,
        etag: str | None = None,
        force: bool | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """DeleteCloudProvider deletes a cloud account for good, with its credentials. The name is free again. With
        `force` it deletes one that projects use: their `cloud_provider_id` is unset then, and what runs in the
        account is the caller's to tear down before.

        Codes:
        - NOT_FOUND: there is no such cloud provider.
        - FAILED_PRECONDITION: projects use it, and `force` is not set (CLOUD_PROVIDER_IN_USE); or the team is deleted.
        - ABORTED: the etag is stale.

        Args:
            id: Required.
            force: Delete the cloud provider though projects use it.
            request_id: A UUID, by which a repetition is known.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            cloud_provider_pb2.DeleteCloudProviderRequest,
            {"id": id, "etag": etag, "force": force, "request_id": request_id or new_request_id()},
        )
        self._calls.unary(self._rpcs.DeleteCloudProvider, request, timeout)

    def access_credentials(
        self, id: str, *, timeout: float | None = None
    ) -> cloud_provider_pb2.AccessCloudProviderCredentialsResponse:
        """AccessCloudProviderCredentials returns the credentials of a cloud account, also of one that is not active or
        whose team is deleted: what still runs there must be taken down.

        Codes:
        - NOT_FOUND: there is no such cloud provider.
        - DATA_LOSS: the stored credentials don't decrypt: they were changed, or are those of another cloud provider. Nothing is returned.

        Args:
            id: Required.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(cloud_provider_pb2.AccessCloudProviderCredentialsRequest, {"id": id})
        return self._calls.unary(self._rpcs.AccessCloudProviderCredentials, request, timeout)

    def record_validation(
        self,
        id: str,
        *,
        etag: str | None = None,
        validation_error: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> cloud_provider_pb2.CloudProvider:
        """RecordCloudProviderValidation records whether the credentials work, as the caller found: without an error it
        sets `last_validated_at` to now and clears `validation_error`; with one it sets `validation_error`, and
        `last_validated_at` stays the time of the last success. With the etag of what was validated, a result of old
        credentials is not taken for one of new ones.

        Codes:
        - NOT_FOUND: there is no such cloud provider.
        - FAILED_PRECONDITION: the team is deleted.
        - ABORTED: the etag is stale.

        Args:
            id: Required.
            validation_error: Why the credentials don't work: 1 to 4,096 characters, of more than one line if need be.
                No place for secrets. Unset, they do work.
            request_id: A UUID, by which a repetition is known.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            cloud_provider_pb2.RecordCloudProviderValidationRequest,
            {
                "id": id,
                "etag": etag,
                "validation_error": validation_error,
                "request_id": request_id or new_request_id(),
            },
        )
        response = self._calls.unary(self._rpcs.RecordCloudProviderValidation, request, timeout)
        return response.cloud_provider
