from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from grpc import StatusCode

from stagely.v1 import cloud_provider_pb2, team_pb2
from tests.support.cloud_providers import AWS, HETZNER, delete_team, fetch, make_provider, update
from tests.support.refusals import refused
from tests.support.statements import statements
from tests.support.teams import make_team

if TYPE_CHECKING:
    from stagely.v1.cloud_provider_pb2_grpc import CloudProviderServiceAsyncStub
    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub

    Provider = cloud_provider_pb2.CloudProvider


class TestGetCloudProvider:
    async def test_provider_is_found_by_team_and_name(
        self, cloud_providers: CloudProviderServiceAsyncStub, provider: Provider
    ) -> None:
        key = cloud_provider_pb2.CloudProviderName(team_id=provider.team_id, name=provider.name)
        answer = await cloud_providers.GetCloudProvider(cloud_provider_pb2.GetCloudProviderRequest(team_name=key))

        assert answer.cloud_provider == provider

    async def test_get_takes_one_statement_without_the_ciphertext(
        self, cloud_providers: CloudProviderServiceAsyncStub, monkeypatch: pytest.MonkeyPatch, provider: Provider
    ) -> None:
        key = cloud_provider_pb2.CloudProviderName(team_id=provider.team_id, name=provider.name)

        for request in (
            cloud_provider_pb2.GetCloudProviderRequest(id=provider.id),
            cloud_provider_pb2.GetCloudProviderRequest(team_name=key),
        ):
            with statements(monkeypatch) as executed:
                await cloud_providers.GetCloudProvider(request)

            (statement,) = executed
            assert "encrypted_credentials" not in statement

    async def test_name_of_another_team_is_not_found(
        self, cloud_providers: CloudProviderServiceAsyncStub, teams: TeamServiceAsyncStub, provider: Provider
    ) -> None:
        key = cloud_provider_pb2.CloudProviderName(team_id=(await make_team(teams)).id, name=provider.name)

        with refused(StatusCode.NOT_FOUND) as refusal:
            await cloud_providers.GetCloudProvider(cloud_provider_pb2.GetCloudProviderRequest(team_name=key))

        assert provider.name in refusal.message

    async def test_unknown_id_is_not_found(self, cloud_providers: CloudProviderServiceAsyncStub) -> None:
        with refused(StatusCode.NOT_FOUND, reason="RESOURCE_NOT_FOUND"):
            await fetch(cloud_providers, cloud_provider_pb2.CloudProvider(id=str(uuid.uuid4())))

    async def test_provider_of_a_deleted_team_is_returned(
        self,
        cloud_providers: CloudProviderServiceAsyncStub,
        teams: TeamServiceAsyncStub,
        team: team_pb2.Team,
        provider: Provider,
    ) -> None:
        await delete_team(teams, team)

        assert await fetch(cloud_providers, provider) == provider

    @pytest.mark.parametrize(
        ("key", "field"),
        [
            ({}, "key"),
            ({"id": ""}, "id"),
            ({"team_name": {}}, "team_name.team_id"),
            ({"team_name": {"team_id": "42", "name": "a"}}, "team_name.team_id"),
            ({"team_name": {"team_id": str(uuid.uuid4())}}, "team_name.name"),
        ],
    )
    async def test_malformed_key_is_refused(
        self, cloud_providers: CloudProviderServiceAsyncStub, key: dict[str, Any], field: str
    ) -> None:
        with refused(StatusCode.INVALID_ARGUMENT, field=field):
            await cloud_providers.GetCloudProvider(cloud_provider_pb2.GetCloudProviderRequest(**key))


class TestListCloudProviders:
    async def list_ids(self, cloud_providers: CloudProviderServiceAsyncStub, **given: Any) -> list[str]:
        answer = await cloud_providers.ListCloudProviders(cloud_provider_pb2.ListCloudProvidersRequest(**given))
        assert not answer.next_page_token
        return [provider.id for provider in answer.cloud_providers]

    async def test_pages_contain_every_provider_once_newest_first(
        self, cloud_providers: CloudProviderServiceAsyncStub, team: team_pb2.Team
    ) -> None:
        made = [(await make_provider(cloud_providers, team)).id for _ in range(3)]
        pages: list[list[str]] = []
        token = ""

        while not pages or token:
            request = cloud_provider_pb2.ListCloudProvidersRequest(team_id=team.id, page_size=2, page_token=token)
            page = await cloud_providers.ListCloudProviders(request)
            pages.append([provider.id for provider in page.cloud_providers])
            token = page.next_page_token

        assert pages == [[made[2], made[1]], [made[0]]]

    async def test_listed_provider_has_every_field(
        self, cloud_providers: CloudProviderServiceAsyncStub, provider: Provider
    ) -> None:
        request = cloud_provider_pb2.ListCloudProvidersRequest(team_id=provider.team_id)

        assert list((await cloud_providers.ListCloudProviders(request)).cloud_providers) == [provider]

    async def test_each_filter_is_applied(
        self, cloud_providers: CloudProviderServiceAsyncStub, team: team_pb2.Team, provider: Provider
    ) -> None:
        aws = await make_provider(cloud_providers, team, provider_type=AWS)
        await update(cloud_providers, aws, is_active=False)

        assert await self.list_ids(cloud_providers, team_id=team.id, provider_type=AWS) == [aws.id]
        assert await self.list_ids(cloud_providers, team_id=team.id, is_active=True) == [provider.id]
        assert await self.list_ids(cloud_providers, team_id=team.id, is_active=False) == [aws.id]
        assert await self.list_ids(cloud_providers, team_id=team.id, is_active=False, provider_type=HETZNER) == []
        assert await self.list_ids(cloud_providers, team_id=str(uuid.uuid4())) == []

    async def test_page_token_with_other_filters_is_refused(
        self, cloud_providers: CloudProviderServiceAsyncStub, team: team_pb2.Team, provider: Provider
    ) -> None:
        await make_provider(cloud_providers, team)
        request = cloud_provider_pb2.ListCloudProvidersRequest(team_id=provider.team_id, page_size=1)
        token = (await cloud_providers.ListCloudProviders(request)).next_page_token

        for other in ({}, {"team_id": str(uuid.uuid4())}, {"team_id": team.id, "provider_type": HETZNER}):
            with refused(StatusCode.INVALID_ARGUMENT, reason="PAGE_TOKEN_INVALID", field="page_token"):
                await self.list_ids(cloud_providers, page_token=token, **other)

    @pytest.mark.parametrize(
        ("field", "value"), [("page_size", -1), ("team_id", "42"), ("provider_type", 99), ("page_token", "x")]
    )
    async def test_invalid_value_is_refused(
        self, cloud_providers: CloudProviderServiceAsyncStub, field: str, value: object
    ) -> None:
        with refused(StatusCode.INVALID_ARGUMENT, field=field):
            await self.list_ids(cloud_providers, **{field: value})
