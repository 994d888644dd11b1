from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from google.protobuf.struct_pb2 import Struct, Value
from grpc import StatusCode

from stagely.v1 import cloud_provider_pb2, team_pb2
from tests.support.cloud_providers import delete_team, fetch, make_provider, update
from tests.support.refusals import refused

if TYPE_CHECKING:
    from stagely.v1.cloud_provider_pb2_grpc import CloudProviderServiceAsyncStub
    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub

    Provider = cloud_provider_pb2.CloudProvider


class TestUpdateCloudProvider:
    async def test_update_without_a_mask_changes_set_fields(
        self, cloud_providers: CloudProviderServiceAsyncStub, provider: Provider
    ) -> None:
        updated = await update(cloud_providers, provider, name="Other", region="fsn1", config={"a": 1}, is_active=False)

        assert (updated.name, updated.region, updated.is_active) == ("Other", "fsn1", False)
        assert updated.config == Struct(fields={"a": Value(number_value=1)})
        assert updated.etag != provider.etag
        assert updated.provider_type == provider.provider_type
        assert updated == await fetch(cloud_providers, provider)

    async def test_masked_and_unset_fields_are_cleared(
        self, cloud_providers: CloudProviderServiceAsyncStub, team: team_pb2.Team
    ) -> None:
        provider = await make_provider(cloud_providers, team, region="fsn1", config={"a": 1})
        await update(cloud_providers, provider, is_active=False)

        updated = await update(cloud_providers, provider, update_mask=["region", "config", "is_active"], name="Not me")

        assert not updated.HasField("region")
        assert not updated.config.fields
        assert updated.is_active
        assert updated.name == provider.name

    async def test_name_cannot_be_cleared(
        self, cloud_providers: CloudProviderServiceAsyncStub, provider: Provider
    ) -> None:
        with refused(StatusCode.INVALID_ARGUMENT, field="name"):
            await update(cloud_providers, provider, update_mask=["name"])

    @pytest.mark.parametrize(
        "path", ["provider_type", "team_id", "last_validated_at", "validation_error", "encrypted_credentials", "id"]
    )
    async def test_mask_with_an_immutable_or_unknown_field_is_refused(
        self, cloud_providers: CloudProviderServiceAsyncStub, provider: Provider, path: str
    ) -> None:
        with refused(StatusCode.INVALID_ARGUMENT, field="update_mask"):
            await update(cloud_providers, provider, update_mask=["name", path], name="Other")

        assert await fetch(cloud_providers, provider) == provider

    async def test_taken_name_is_refused(
        self, cloud_providers: CloudProviderServiceAsyncStub, team: team_pb2.Team, provider: Provider
    ) -> None:
        other = await make_provider(cloud_providers, team)

        with refused(StatusCode.ALREADY_EXISTS, reason="CLOUD_PROVIDER_NAME_TAKEN") as refusal:
            await update(cloud_providers, provider, name=other.name)

        assert refusal.details["ResourceInfo"].resource_name == other.name

    async def test_own_name_is_accepted(
        self, cloud_providers: CloudProviderServiceAsyncStub, provider: Provider
    ) -> None:
        assert (await update(cloud_providers, provider, name=provider.name, region="a")).name == provider.name

    async def test_stale_etag_changes_nothing(
        self, cloud_providers: CloudProviderServiceAsyncStub, provider: Provider
    ) -> None:
        updated = await update(cloud_providers, provider, name="First", etag=provider.etag)

        with refused(StatusCode.ABORTED, reason="ETAG_STALE"):
            await update(cloud_providers, provider, credentials={"a": "b"}, etag=provider.etag)

        assert await fetch(cloud_providers, provider) == updated

    async def test_unknown_provider_is_not_found(self, cloud_providers: CloudProviderServiceAsyncStub) -> None:
        with refused(StatusCode.NOT_FOUND):
            await update(cloud_providers, cloud_provider_pb2.CloudProvider(id=str(uuid.uuid4())), name="Other")

    async def test_provider_of_a_deleted_team_cannot_be_changed(
        self,
        cloud_providers: CloudProviderServiceAsyncStub,
        teams: TeamServiceAsyncStub,
        team: team_pb2.Team,
        provider: Provider,
    ) -> None:
        await delete_team(teams, team)

        with refused(StatusCode.FAILED_PRECONDITION, reason="TEAM_DELETED"):
            await update(cloud_providers, provider, name="Other")
