"""Converts rows of teams and members to messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely.v1 import team_pb2
from stagely_rpc.db.etag import etag_of
from stagely_rpc.wire.values import enum_numbers, to_timestamp

if TYPE_CHECKING:
    from stagely_rpc.db.models.rows import TeamMemberRow, TeamRow

PLAN_TO_PROTO = enum_numbers(team_pb2.BillingPlan)
ROLE_TO_PROTO = enum_numbers(team_pb2.TeamRole)


def team_to_proto(team: TeamRow) -> team_pb2.Team:
    """Return the message for a team."""
    return team_pb2.Team(
        id=str(team.id),
        slug=team.slug,
        name=team.name,
        billing_email=team.billing_email,
        billing_plan=PLAN_TO_PROTO[team.billing_plan],
        max_concurrent_stagelets=team.max_concurrent_stagelets,
        max_concurrent_builds=team.max_concurrent_builds,
        created_at=to_timestamp(team.created_at),
        updated_at=to_timestamp(team.updated_at),
        deleted_at=to_timestamp(team.deleted_at),
        etag=etag_of(team),
    )


def member_to_proto(member: TeamMemberRow) -> team_pb2.TeamMember:
    """Return the message for a membership."""
    return team_pb2.TeamMember(
        id=str(member.id),
        team_id=str(member.team_id),
        user_id=str(member.user_id),
        role=ROLE_TO_PROTO[member.role],
        created_at=to_timestamp(member.created_at),
        etag=etag_of(member),
    )
