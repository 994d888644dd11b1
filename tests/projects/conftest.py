from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.cloud_providers import make_provider
from tests.support.projects import make_project
from tests.support.teams import make_team

if TYPE_CHECKING:
    from stagely.v1 import cloud_provider_pb2, project_pb2, team_pb2
    from stagely.v1.cloud_provider_pb2_grpc import CloudProviderServiceAsyncStub
    from stagely.v1.project_pb2_grpc import ProjectServiceAsyncStub
    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub


@pytest.fixture
async def team(teams: TeamServiceAsyncStub) -> team_pb2.Team:
    """A new team."""
    return await make_team(teams)


@pytest.fixture
async def project(projects: ProjectServiceAsyncStub, team: team_pb2.Team) -> project_pb2.Project:
    """The team's one project."""
    return await make_project(projects, team)


@pytest.fixture
async def provider(
    cloud_providers: CloudProviderServiceAsyncStub, team: team_pb2.Team
) -> cloud_provider_pb2.CloudProvider:
    """The team's one cloud provider."""
    return await make_provider(cloud_providers, team)


@pytest.fixture
async def foreign_provider(
    cloud_providers: CloudProviderServiceAsyncStub, teams: TeamServiceAsyncStub
) -> cloud_provider_pb2.CloudProvider:
    """Another team's cloud provider."""
    return await make_provider(cloud_providers, await make_team(teams))
