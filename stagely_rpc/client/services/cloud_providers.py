"""CloudProvider: see the service in the contract. Generated from protos/ by `make generate`. Do not edit."""

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
    """CloudProviderService stores the cloud accounts of teams, in which their environments run, and the credentials of
    these accounts.

    CreateCloudProvider and UpdateCloudProvider accept credentials, which are stored encrypted. Only
    AccessCloudProviderCredentials returns them. An RPC that accepts or returns credentials fails with
    FAILED_PRECONDITION (ENCRYPTION_KEY_MISSING) if the server has no encryption key, and with DATA_LOSS if the
    team's data key can't be decrypted.
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
        """CreateCloudProvider adds a cloud account to a team. The account is active, and not validated yet.

        Codes:
        - NOT_FOUND: there is no such team.
        - ALREADY_EXISTS: the team already has a cloud provider of this name (CLOUD_PROVIDER_NAME_TAKEN).
        - FAILED_PRECONDITION: the team is deleted (TEAM_DELETED).

        Args:
            team_id: Required.
            name: Required. 1 to 100 characters.
            provider_type: Required.
            credentials: Required. A JSON object with at least one member, at most 65,536 bytes as JSON, nested at most
                20 levels deep.
            region: 1 to 50 characters.
            config: A JSON object of at most 65,536 bytes as JSON, nested at most 20 levels deep. Default: an empty
                object.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
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
            id: Give exactly one of id and team_name.
            team_name: Give exactly one of id and team_name.
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
            page_size: Maximum number of cloud providers. Default: 50, maximum: 500.
            page_token: The `next_page_token` of the previous page. Empty: the first page.
            team_id: Only cloud providers of this team.
            provider_type: Only cloud providers of this type.
            is_active: True: only active cloud providers. False: only inactive ones.
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
        """UpdateCloudProvider changes a cloud account. The team and the type can't change. New credentials clear
        `last_validated_at` and `validation_error`.

        Codes:
        - NOT_FOUND: there is no such cloud provider.
        - ALREADY_EXISTS: the team already has a cloud provider of this name (CLOUD_PROVIDER_NAME_TAKEN).
        - FAILED_PRECONDITION: the team is deleted (TEAM_DELETED).
        - ABORTED: the etag is stale.

        Args:
            id: Required.
            etag: The expected etag of the resource. Unset: no check.
            name: As in CreateCloudProviderRequest. Can't be cleared.
            region: As in CreateCloudProviderRequest.
            config: As in CreateCloudProviderRequest. The new object replaces the old one. Cleared: an empty object.
            is_active: Cleared: true.
            credentials: As in CreateCloudProviderRequest. The new object replaces the old one. Can't be cleared.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
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
        """DeleteCloudProvider deletes a cloud account and its credentials permanently. Its name can be used again. With
        `force` it deletes an account that projects use, and clears their `cloud_provider_id`. The caller must first
        tear down what runs in the account.

        Codes:
        - NOT_FOUND: there is no such cloud provider.
        - FAILED_PRECONDITION: projects use it, and `force` is not set (CLOUD_PROVIDER_IN_USE); or the team is
          deleted (TEAM_DELETED).
        - ABORTED: the etag is stale.

        Args:
            id: Required.
            etag: The expected etag of the resource. Unset: no check.
            force: Delete the cloud provider even if projects use it.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
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
        """AccessCloudProviderCredentials returns the credentials of a cloud account. It works for inactive accounts and
        for deleted teams too, so that the caller can tear down what still runs there.

        Codes:
        - NOT_FOUND: there is no such cloud provider.
        - DATA_LOSS: the stored credentials don't decrypt: they were changed, or belong to another cloud provider.

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
        """RecordCloudProviderValidation stores the result of the caller's check of the credentials. Without
        `validation_error`, it sets `last_validated_at` to the current time and clears the stored error. With
        `validation_error`, it stores the error, and `last_validated_at` keeps the time of the last success. Send the
        etag of the cloud provider that was checked, so that a result for old credentials is not stored for new ones.

        Codes:
        - NOT_FOUND: there is no such cloud provider.
        - FAILED_PRECONDITION: the team is deleted (TEAM_DELETED).
        - ABORTED: the etag is stale.

        Args:
            id: Required.
            etag: The expected etag of the resource. Unset: no check.
            validation_error: Why the credentials don't work: 1 to 4,096 characters, line breaks allowed. Must not
                contain secrets. Unset: the credentials work.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
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
    """CloudProviderService stores the cloud accounts of teams, in which their environments run, and the credentials of
    these accounts.

    CreateCloudProvider and UpdateCloudProvider accept credentials, which are stored encrypted. Only
    AccessCloudProviderCredentials returns them. An RPC that accepts or returns credentials fails with
    FAILED_PRECONDITION (ENCRYPTION_KEY_MISSING) if the server has no encryption key, and with DATA_LOSS if the
    team's data key can't be decrypted.
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
        """CreateCloudProvider adds a cloud account to a team. The account is active, and not validated yet.

        Codes:
        - NOT_FOUND: there is no such team.
        - ALREADY_EXISTS: the team already has a cloud provider of this name (CLOUD_PROVIDER_NAME_TAKEN).
        - FAILED_PRECONDITION: the team is deleted (TEAM_DELETED).

        Args:
            team_id: Required.
            name: Required. 1 to 100 characters.
            provider_type: Required.
            credentials: Required. A JSON object with at least one member, at most 65,536 bytes as JSON, nested at most
                20 levels deep.
            region: 1 to 50 characters.
            config: A JSON object of at most 65,536 bytes as JSON, nested at most 20 levels deep. Default: an empty
                object.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
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
            id: Give exactly one of id and team_name.
            team_name: Give exactly one of id and team_name.
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
            page_size: Maximum number of cloud providers. Default: 50, maximum: 500.
            page_token: The `next_page_token` of the previous page. Empty: the first page.
            team_id: Only cloud providers of this team.
            provider_type: Only cloud providers of this type.
            is_active: True: only active cloud providers. False: only inactive ones.
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
        """UpdateCloudProvider changes a cloud account. The team and the type can't change. New credentials clear
        `last_validated_at` and `validation_error`.

        Codes:
        - NOT_FOUND: there is no such cloud provider.
        - ALREADY_EXISTS: the team already has a cloud provider of this name (CLOUD_PROVIDER_NAME_TAKEN).
        - FAILED_PRECONDITION: the team is deleted (TEAM_DELETED).
        - ABORTED: the etag is stale.

        Args:
            id: Required.
            etag: The expected etag of the resource. Unset: no check.
            name: As in CreateCloudProviderRequest. Can't be cleared.
            region: As in CreateCloudProviderRequest.
            config: As in CreateCloudProviderRequest. The new object replaces the old one. Cleared: an empty object.
            is_active: Cleared: true.
            credentials: As in CreateCloudProviderRequest. The new object replaces the old one. Can't be cleared.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
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
        """DeleteCloudProvider deletes a cloud account and its credentials permanently. Its name can be used again. With
        `force` it deletes an account that projects use, and clears their `cloud_provider_id`. The caller must first
        tear down what runs in the account.

        Codes:
        - NOT_FOUND: there is no such cloud provider.
        - FAILED_PRECONDITION: projects use it, and `force` is not set (CLOUD_PROVIDER_IN_USE); or the team is
          deleted (TEAM_DELETED).
        - ABORTED: the etag is stale.

        Args:
            id: Required.
            etag: The expected etag of the resource. Unset: no check.
            force: Delete the cloud provider even if projects use it.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
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
        """AccessCloudProviderCredentials returns the credentials of a cloud account. It works for inactive accounts and
        for deleted teams too, so that the caller can tear down what still runs there.

        Codes:
        - NOT_FOUND: there is no such cloud provider.
        - DATA_LOSS: the stored credentials don't decrypt: they were changed, or belong to another cloud provider.

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
        """RecordCloudProviderValidation stores the result of the caller's check of the credentials. Without
        `validation_error`, it sets `last_validated_at` to the current time and clears the stored error. With
        `validation_error`, it stores the error, and `last_validated_at` keeps the time of the last success. Send the
        etag of the cloud provider that was checked, so that a result for old credentials is not stored for new ones.

        Codes:
        - NOT_FOUND: there is no such cloud provider.
        - FAILED_PRECONDITION: the team is deleted (TEAM_DELETED).
        - ABORTED: the etag is stale.

        Args:
            id: Required.
            etag: The expected etag of the resource. Unset: no check.
            validation_error: Why the credentials don't work: 1 to 4,096 characters, line breaks allowed. Must not
                contain secrets. Unset: the credentials work.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
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
