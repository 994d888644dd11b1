"""Which part of the audit log a user may see through a service that acts for the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from grpc import StatusCode

from stagely.v1 import audit_pb2, team_pb2
from tests.support.audit import ROWS
from tests.support.refusals import refused
from tests.support.teams import make_member
from tests.support.users import make_user

if TYPE_CHECKING:
    from stagely.v1.audit_pb2_grpc import AuditServiceAsyncStub
    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub
    from stagely.v1.user_pb2_grpc import UserServiceAsyncStub

    Acting = tuple[tuple[str, str]]


async def acting(
    teams: TeamServiceAsyncStub, users: UserServiceAsyncStub, team_id: str, role: team_pb2.TeamRole.ValueType
) -> Acting:
    """Make a user with a role in a team; return the metadata with which a service acts for the user."""
    user = await make_user(users)
    await make_member(teams, team_pb2.Team(id=team_id), user, role)
    return (("x-stagely-user-id", user.id),)


async def verified(audit: AuditServiceAsyncStub, team_id: str | None, metadata: Acting) -> audit_pb2.Verdict:
    call = audit.VerifyAuditLog(audit_pb2.VerifyAuditLogRequest(team_id=team_id), metadata=metadata)
    return [step async for step in call][-1].verdict


async def test_admin_sees_only_the_rows_of_their_teams(
    audit: AuditServiceAsyncStub,
    teams: TeamServiceAsyncStub,
    users: UserServiceAsyncStub,
    team_id: str,
    other_team_id: str,
) -> None:
    metadata = await acting(teams, users, team_id, team_pb2.TEAM_ROLE_ADMIN)

    everything = await audit.ListAuditLogs(audit_pb2.ListAuditLogsRequest(page_size=500), metadata=metadata)
    others = await audit.ListAuditLogs(audit_pb2.ListAuditLogsRequest(team_id=other_team_id), metadata=metadata)

    assert {row.team_id for row in everything.audit_logs} == {team_id}
    assert len(everything.audit_logs) > ROWS
    assert not others.audit_logs


async def test_admin_verifies_the_chain_of_their_team(
    audit: AuditServiceAsyncStub, teams: TeamServiceAsyncStub, users: UserServiceAsyncStub, team_id: str
) -> None:
    metadata = await acting(teams, users, team_id, team_pb2.TEAM_ROLE_ADMIN)

    verdict = await verified(audit, team_id, metadata)

    assert verdict.head.position >= ROWS
    assert not verdict.HasField("fault")


@pytest.mark.parametrize("role", [team_pb2.TEAM_ROLE_MEMBER, team_pb2.TEAM_ROLE_VIEWER])
async def test_member_without_admin_role_sees_no_rows_and_cannot_verify(
    audit: AuditServiceAsyncStub,
    teams: TeamServiceAsyncStub,
    users: UserServiceAsyncStub,
    team_id: str,
    role: team_pb2.TeamRole.ValueType,
) -> None:
    metadata = await acting(teams, users, team_id, role)

    answer = await audit.ListAuditLogs(audit_pb2.ListAuditLogsRequest(team_id=team_id), metadata=metadata)

    assert not answer.audit_logs
    with refused(StatusCode.PERMISSION_DENIED, reason="ROLE_MISSING"):
        await verified(audit, team_id, metadata)


async def test_chain_of_another_team_is_not_found(
    audit: AuditServiceAsyncStub,
    teams: TeamServiceAsyncStub,
    users: UserServiceAsyncStub,
    team_id: str,
    other_team_id: str,
) -> None:
    metadata = await acting(teams, users, team_id, team_pb2.TEAM_ROLE_OWNER)

    with refused(StatusCode.NOT_FOUND):
        await verified(audit, other_team_id, metadata)


async def test_user_cannot_verify_the_chain_of_rows_without_a_team(
    audit: AuditServiceAsyncStub, teams: TeamServiceAsyncStub, users: UserServiceAsyncStub, team_id: str
) -> None:
    metadata = await acting(teams, users, team_id, team_pb2.TEAM_ROLE_OWNER)

    with refused(StatusCode.PERMISSION_DENIED, reason="USER_NOT_ALLOWED"):
        await verified(audit, None, metadata)
