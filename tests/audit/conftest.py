from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.audit import make_sealed_team

if TYPE_CHECKING:
    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub


@pytest.fixture
async def team_id(teams: TeamServiceAsyncStub, database_url: str) -> str:
    """A team with a chain of six sealed rows."""
    return await make_sealed_team(teams, database_url)


@pytest.fixture
async def other_team_id(teams: TeamServiceAsyncStub, database_url: str) -> str:
    """Another team with a chain of six sealed rows."""
    return await make_sealed_team(teams, database_url)
