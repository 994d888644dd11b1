from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.cloud_providers import make_provider
from tests.support.teams import make_team

if TYPE_CHECKING:
    from stagely.v1 import cloud_provider_pb2, team_pb2
    from stagely.v1.cloud_provider_pb2_grpc import CloudProviderServiceAsyncStub
    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub

    Provider = cloud_provider_pb2.CloudProvider


@pytest.fixture
async def team(teams: TeamServiceAsyncStub) -> team_pb2.Team:
    """A new team."""
    return await make_team(teams)


@pytest.fixture
async def provider(cloud_providers: CloudProviderServiceAsyncStub, team: team_pb2.Team) -> Provider:
    """The team's one cloud provider."""
    return await make_provider(cloud_providers, team)
