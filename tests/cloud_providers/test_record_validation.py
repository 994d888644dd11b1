from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from grpc import StatusCode

from stagely.v1 import cloud_provider_pb2, team_pb2
from tests.support.cloud_providers import delete_team, fetch, update
from tests.support.refusals import refused

if TYPE_CHECKING:
    from stagely.v1.cloud_provider_pb2_grpc import CloudProviderServiceAsyncStub
    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub

    Provider = cloud_provider_pb2.CloudProvider


async def record(cloud_providers: CloudProviderServiceAsyncStub, provider: Provider, **given: Any) -> Provider:
    request = cloud_provider_pb2.RecordCloudProviderValidationRequest(id=provider.id, **given)
    return (await cloud_providers.RecordCloudProviderValidation(request)).cloud_provider


class TestRecordCloudProviderValidation:
    async def test_success_sets_the_time_and_clears_the_error(
        self, cloud_providers: CloudProviderServiceAsyncStub, provider: Provider
    ) -> None:
        await record(cloud_providers, provider, validation_error="expired")

        validated = await record(cloud_providers, provider)

        assert not validated.HasField("validation_error")
        assert abs(validated.last_validated_at.ToDatetime(UTC) - datetime.now(UTC)) < timedelta(minutes=1)
        assert validated.etag != provider.etag
        assert validated == await fetch(cloud_providers, provider)

    async def test_error_keeps_the_time_of_the_last_success(
        self, cloud_providers: CloudProviderServiceAsyncStub, provider: Provider
    ) -> None:
        validated = await record(cloud_providers, provider)

        failed = await record(cloud_providers, provider, validation_error="403:\nno access 🚫")

        assert failed.validation_error == "403:\nno access 🚫"
        assert failed.last_validated_at == validated.last_validated_at
        assert failed == await fetch(cloud_providers, provider)

    async def test_error_at_its_limit_is_accepted(
        self, cloud_providers: CloudProviderServiceAsyncStub, provider: Provider
    ) -> None:
        assert (await record(cloud_providers, provider, validation_error="é" * 4096)).validation_error == "é" * 4096

    @pytest.mark.parametrize(
        ("field", "value"), [("validation_error", ""), ("validation_error", "é" * 4097), ("validation_error", "a\0")]
    )
    async def test_invalid_value_is_refused(
        self, cloud_providers: CloudProviderServiceAsyncStub, provider: Provider, field: str, value: str
    ) -> None:
        with refused(StatusCode.INVALID_ARGUMENT, field=field):
            await record(cloud_providers, provider, **{field: value})

    async def test_validation_of_old_credentials_is_refused_by_the_etag(
        self, cloud_providers: CloudProviderServiceAsyncStub, provider: Provider
    ) -> None:
        updated = await update(cloud_providers, provider, credentials={"token": "new"})

        with refused(StatusCode.ABORTED, reason="ETAG_STALE"):
            await record(cloud_providers, provider, etag=provider.etag)

        assert await fetch(cloud_providers, provider) == updated

    async def test_unknown_provider_is_not_found(self, cloud_providers: CloudProviderServiceAsyncStub) -> None:
        with refused(StatusCode.NOT_FOUND):
            await record(cloud_providers, cloud_provider_pb2.CloudProvider(id=str(uuid.uuid4())))

    async def test_provider_of_a_deleted_team_cannot_be_changed(
        self,
        cloud_providers: CloudProviderServiceAsyncStub,
        teams: TeamServiceAsyncStub,
        team: team_pb2.Team,
        provider: Provider,
    ) -> None:
        await delete_team(teams, team)

        with refused(StatusCode.FAILED_PRECONDITION, reason="TEAM_DELETED"):
            await record(cloud_providers, provider)
