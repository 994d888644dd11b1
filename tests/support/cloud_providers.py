from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import MessageToDict

from stagely.v1 import cloud_provider_pb2, team_pb2
from tests.support.secret_markers import marked_secret

if TYPE_CHECKING:
    from stagely.v1.cloud_provider_pb2_grpc import CloudProviderServiceAsyncStub
    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub

    Provider = cloud_provider_pb2.CloudProvider

AWS = cloud_provider_pb2.CLOUD_PROVIDER_TYPE_AWS
HETZNER = cloud_provider_pb2.CLOUD_PROVIDER_TYPE_HETZNER
TOKEN = marked_secret("hetzner token")


async def make_provider(
    cloud_providers: CloudProviderServiceAsyncStub, team: team_pb2.Team, **overrides: Any
) -> cloud_provider_pb2.CloudProvider:
    """Create a cloud provider of a team with a unique name."""
    given: dict[str, Any] = {
        "team_id": team.id,
        "name": f"Hetzner {uuid.uuid4().hex[:12]}",
        "provider_type": HETZNER,
        "credentials": {"token": TOKEN},
    }
    request = cloud_provider_pb2.CreateCloudProviderRequest(**given | overrides)
    return (await cloud_providers.CreateCloudProvider(request)).cloud_provider


async def fetch(cloud_providers: CloudProviderServiceAsyncStub, provider: Provider) -> Provider:
    request = cloud_provider_pb2.GetCloudProviderRequest(id=provider.id)
    return (await cloud_providers.GetCloudProvider(request)).cloud_provider


async def update(cloud_providers: CloudProviderServiceAsyncStub, provider: Provider, **given: Any) -> Provider:
    if isinstance(paths := given.get("update_mask"), list):
        given["update_mask"] = FieldMask(paths=paths)
    request = cloud_provider_pb2.UpdateCloudProviderRequest(id=provider.id, **given)
    return (await cloud_providers.UpdateCloudProvider(request)).cloud_provider


async def delete_team(teams: TeamServiceAsyncStub, team: team_pb2.Team) -> None:
    await teams.DeleteTeam(team_pb2.DeleteTeamRequest(id=team.id))


async def access_credentials(
    cloud_providers: CloudProviderServiceAsyncStub, provider: cloud_provider_pb2.CloudProvider
) -> dict[str, Any]:
    request = cloud_provider_pb2.AccessCloudProviderCredentialsRequest(id=provider.id)
    answer = await cloud_providers.AccessCloudProviderCredentials(request)
    assert answer.cloud_provider.id == provider.id
    return MessageToDict(answer.credentials)
