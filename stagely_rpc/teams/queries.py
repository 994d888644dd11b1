"""Every SQL statement about teams and their members."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, select

from stagely_rpc.access import register_owner
from stagely_rpc.db.batching.point_read import PointRead
from stagely_rpc.db.models import Team, TeamMember
from stagely_rpc.db.models.rows import TeamMemberRow, TeamRow
from stagely_rpc.db.paging import Found, Listing, Merge, Page
from stagely_rpc.db.sql.statement import Statement

if TYPE_CHECKING:
    import uuid

    from sqlalchemy import ColumnElement

    from stagely_rpc.db.session import Session
    from stagely_rpc.db.sql.statement import Query
    from stagely_rpc.teams.inputs import MemberFilter, TeamFilter


register_owner(Team, Team.id)

TEAM_BY_ID = PointRead("team by id", TeamRow, select(Team.__table__), Team.id)
TEAM_BY_SLUG = PointRead("team by slug", TeamRow, select(Team.__table__), Team.slug)


def get_member(team_id: uuid.UUID, user_id: uuid.UUID) -> Query[TeamMemberRow | None]:
    """Return the query for a user's membership in a team."""
    return _MEMBER.first(team_id=team_id, user_id=user_id)


def count_owners(team_id: uuid.UUID) -> Query[int]:
    """Return the query for the number of owners of a team."""
    return _OWNERS.value(team_id=team_id)


_IS_IN_TEAM = TeamMember.team_id == bindparam("team_id")
_MEMBER = Statement(
    select(TeamMember.__table__).where(_IS_IN_TEAM, TeamMember.user_id == bindparam("user_id")), TeamMemberRow
)
_OWNERS = Statement(select(func.count()).where(_IS_IN_TEAM, TeamMember.role == "owner"))


_TEAM_LIST = Listing(
    TeamRow,
    "billing_plan",
    undeleted=Team.deleted_at.is_(None),
)
_MEMBERSHIPS = select(TeamMember.team_id).where(TeamMember.user_id == bindparam("user_id")).subquery("memberships")
_OF_USER = Merge((_MEMBERSHIPS,), Team.id == _MEMBERSHIPS.c.team_id)
_MEMBER_LIST = Listing(TeamMemberRow, "team_id", "role")


async def list_teams(session: Session, wanted: TeamFilter, page: Page, visible: ColumnElement[bool]) -> Found[TeamRow]:
    """Return a page of the visible teams."""
    filters = wanted.model_dump(exclude={"show_deleted"}) | {"undeleted": None if wanted.show_deleted else True}
    return await _TEAM_LIST.fetch(session, page, filters, visible, _OF_USER if wanted.user_id else None)


async def list_members(session: Session, wanted: MemberFilter, page: Page) -> Found[TeamMemberRow]:
    """Return a page of a team's members."""
    return await _MEMBER_LIST.fetch(session, page, wanted.model_dump())
