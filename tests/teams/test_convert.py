from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from stagely.v1 import team_pb2
from stagely_rpc.db.models.rows import TeamMemberRow, TeamRow
from stagely_rpc.teams.convert import PLAN_TO_PROTO, ROLE_TO_PROTO, member_to_proto, team_to_proto
from tests.support.rows import row_of

CREATED = datetime(2026, 11, 22, 8, 30, 0, 123456, tzinfo=UTC)
CREATED_PROTO = Timestamp(seconds=int(CREATED.timestamp()), nanos=123_456_000)


def team_row(**overrides: object) -> TeamRow:
    given = {
        "id": uuid.UUID(int=1),
        "slug": "web",
        "name": "Web",
        "billing_plan": "free",
        "max_concurrent_stagelets": 5,
        "max_concurrent_builds": 10,
        "created_at": CREATED,
        "updated_at": CREATED,
        "row_version": 1,
    }
    return row_of(TeamRow, **(given | overrides))


def test_every_plan_and_role_maps_to_its_enum_value() -> None:
    assert {
        "free": team_pb2.BILLING_PLAN_FREE,
        "pro": team_pb2.BILLING_PLAN_PRO,
        "enterprise": team_pb2.BILLING_PLAN_ENTERPRISE,
    } == PLAN_TO_PROTO
    assert {
        "owner": team_pb2.TEAM_ROLE_OWNER,
        "admin": team_pb2.TEAM_ROLE_ADMIN,
        "member": team_pb2.TEAM_ROLE_MEMBER,
        "viewer": team_pb2.TEAM_ROLE_VIEWER,
    } == ROLE_TO_PROTO


@pytest.mark.parametrize("plan", PLAN_TO_PROTO)
def test_plan_is_converted(plan: str) -> None:
    assert team_to_proto(team_row(billing_plan=plan)).billing_plan == PLAN_TO_PROTO[plan]


def test_null_column_is_an_unset_field() -> None:
    team = team_to_proto(team_row())

    assert not team.HasField("billing_email")
    assert not team.HasField("deleted_at")


def test_every_column_is_in_the_message() -> None:
    team = team_to_proto(team_row(billing_email="a@example.com", deleted_at=CREATED))

    assert {field.name for field, _ in team.ListFields()} == {field.name for field in team_pb2.Team.DESCRIPTOR.fields}
    assert team.id == "00000000-0000-0000-0000-000000000001"
    assert team.created_at == team.updated_at == team.deleted_at == CREATED_PROTO


@pytest.mark.parametrize("role", ROLE_TO_PROTO)
def test_member_is_converted(role: str) -> None:
    row = row_of(
        TeamMemberRow,
        id=uuid.UUID(int=1),
        team_id=uuid.UUID(int=2),
        user_id=uuid.UUID(int=3),
        role=role,
        created_at=CREATED,
        row_version=1,
    )

    member = member_to_proto(row)

    assert {field.name for field, _ in member.ListFields()} == {
        field.name for field in team_pb2.TeamMember.DESCRIPTOR.fields
    }
    assert member.role == ROLE_TO_PROTO[role]
    assert member.user_id == str(row.user_id)
