from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from grpc import StatusCode

from stagely.v1 import cloud_provider_pb2, team_pb2
from tests.support.cloud_providers import HETZNER, delete_team, fetch, make_provider
from tests.support.refusals import refused
from tests.support.teams import make_team

if TYPE_CHECKING:
    from stagely.v1.cloud_provider_pb2_grpc import CloudProviderServiceAsyncStub
    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub

    Provider = cloud_provider_pb2.CloudProvider


class TestCreateCloudProvider:
    async def test_defaults_are_set(self, cloud_providers: CloudProviderServiceAsyncStub, team: team_pb2.Team) -> None:
        provider = await make_provider(cloud_providers, team, name="Büro ☁")

        assert uuid.UUID(provider.id).version == 4
        assert (provider.team_id, provider.name, provider.provider_type) == (team.id, "Büro ☁", HETZNER)
        assert provider.is_active
        assert provider.HasField("config")
        assert not provider.config.fields
        for unset in ("region", "last_validated_at", "validation_error"):
            assert not provider.HasField(unset)
        assert provider.created_at == provider.updated_at
        assert provider == await fetch(cloud_providers, provider)

    @pytest.mark.parametrize("number", [n for n in cloud_provider_pb2.CloudProviderType.values() if n])
    async def test_each_type_is_stored(
        self,
        cloud_providers: CloudProviderServiceAsyncStub,
        team: team_pb2.Team,
        number: cloud_provider_pb2.CloudProviderType.ValueType,
    ) -> None:
        provider = await make_provider(cloud_providers, team, provider_type=number, region="eu-1", config={"a": [1]})

        kept = await fetch(cloud_providers, provider)
        assert (kept.provider_type, kept.region, kept.config["a"][0]) == (number, "eu-1", 1)  # type: ignore[index]

    async def test_taken_name_is_refused(
        self, cloud_providers: CloudProviderServiceAsyncStub, team: team_pb2.Team, provider: Provider
    ) -> None:
        with refused(StatusCode.ALREADY_EXISTS, reason="CLOUD_PROVIDER_NAME_TAKEN") as refusal:
            await make_provider(cloud_providers, team, name=provider.name)

        assert refusal.details["ResourceInfo"].resource_name == provider.name

    async def test_same_name_in_another_team_is_accepted(
        self, cloud_providers: CloudProviderServiceAsyncStub, teams: TeamServiceAsyncStub, provider: Provider
    ) -> None:
        other = await make_provider(cloud_providers, await make_team(teams), name=provider.name)

        assert other.name == provider.name

    async def test_unknown_team_is_not_found(self, cloud_providers: CloudProviderServiceAsyncStub) -> None:
        with refused(StatusCode.NOT_FOUND) as refusal:
            await make_provider(cloud_providers, team_pb2.Team(id=str(uuid.uuid4())))

        assert refusal.details["ResourceInfo"].resource_type == "stagely.v1.Team"

    async def test_deleted_team_is_refused(
        self, cloud_providers: CloudProviderServiceAsyncStub, teams: TeamServiceAsyncStub, team: team_pb2.Team
    ) -> None:
        await delete_team(teams, team)

        with refused(StatusCode.FAILED_PRECONDITION, reason="TEAM_DELETED"):
            await make_provider(cloud_providers, team)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("team_id", ""),
            ("team_id", "42"),
            ("name", ""),
            ("name", "  "),
            ("name", "a\nb"),
            ("name", "é" * 101),
            ("provider_type", 0),
            ("provider_type", 99),
            ("region", ""),
            ("region", "é" * 51),
            ("region", "a\0"),
            ("config", {"a": "x" * 65_536}),
            ("config", {"a": float("inf")}),
        ],
    )
    async def test_invalid_value_is_refused(
        self, cloud_providers: CloudProviderServiceAsyncStub, team: team_pb2.Team, field: str, value: object
    ) -> None:
        with refused(StatusCode.INVALID_ARGUMENT, field=field):
            await make_provider(cloud_providers, team, **{field: value})

    @pytest.mark.parametrize(("field", "value"), [("name", "é" * 100), ("region", "é" * 50)])
    async def test_value_at_its_limit_is_accepted(
        self, cloud_providers: CloudProviderServiceAsyncStub, team: team_pb2.Team, field: str, value: str
    ) -> None:
        assert getattr(await make_provider(cloud_providers, team, **{field: value}), field) == value
