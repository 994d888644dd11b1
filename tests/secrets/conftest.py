from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.secrets import make_project

if TYPE_CHECKING:
    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub


@pytest.fixture
async def project_id(teams: TeamServiceAsyncStub, database_url: str) -> str:
    """A project in a new team."""
    return await make_project(teams, database_url)


@pytest.fixture
async def other_project_id(teams: TeamServiceAsyncStub, database_url: str) -> str:
    """Another project, in another team."""
    return await make_project(teams, database_url)
