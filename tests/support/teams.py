from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from stagely.v1 import team_pb2

if TYPE_CHECKING:
    from stagely.v1 import user_pb2
    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub


async def make_team(teams: TeamServiceAsyncStub, **overrides: Any) -> team_pb2.Team:
    """Create a team with a unique slug."""
    given = {"slug": f"team-{uuid.uuid4().hex[:12]}", "name": "Web"} | overrides
    return (await teams.CreateTeam(team_pb2.CreateTeamRequest(**given))).team


async def make_member(
    teams: TeamServiceAsyncStub, team: team_pb2.Team, user: user_pb2.User, role: team_pb2.TeamRole.ValueType
) -> team_pb2.TeamMember:
    """Add a user to a team."""
    request = team_pb2.AddTeamMemberRequest(team_id=team.id, user_id=user.id, role=role)
    return (await teams.AddTeamMember(request)).member
