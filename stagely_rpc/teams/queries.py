"""Every SQL statement about teams and their members."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, select

from stagely_rpc.access.queries import team_id_of
from stagely_rpc.db.batching.point_read import PointRead
from stagely_rpc.db.models import LIVE_STATUSES, Environment, Project, Team, TeamMember
from stagely_rpc.db.paging import Found, Listing, Merge, Page
from stagely_rpc.db.sql.statement import Statement, is_one_of

if TYPE_CHECKING:
    import uuid

    from sqlalchemy import ColumnElement

    from stagely_rpc.access import ResourceRef
    from stagely_rpc.db.models import Base
    from stagely_rpc.db.session import Session
    from stagely_rpc.db.sql.statement import Query
    from stagely_rpc.teams.inputs import MemberFilter, TeamFilter


TEAM_BY_ID = PointRead[Team]("team by id", select(Team.__table__), Team.id)
TEAM_BY_SLUG = PointRead[Team]("team by slug", select(Team.__table__), Team.slug)


def count_live_environments(ref: ResourceRef) -> Query[int]:
    """Return the query for how many live environments the team has that owns what a call is about."""
    return _live_environments(ref.model).value(ref=ref.id)


@cache
def _live_environments(model: type[Base]) -> Statement:
    return Statement(
        select(func.count())
        .select_from(Environment)
        .join(Project, Project.id == Environment.project_id)
        .where(Project.team_id == team_id_of(model), is_one_of(Environment.status, LIVE_STATUSES))
    )


def get_member(team_id: uuid.UUID, user_id: uuid.UUID) -> Query[TeamMember | None]:
    """Return the query for a user's membership in a team."""
    return _MEMBER.row(TeamMember, team_id=team_id, user_id=user_id)


def count_owners(team_id: uuid.UUID) -> Query[int]:
    """Return the query for how many owners a team has."""
    return _OWNERS.value(team_id=team_id)


_IS_IN_TEAM = TeamMember.team_id == bindparam("team_id")
_MEMBER = Statement(select(TeamMember.__table__).where(_IS_IN_TEAM, TeamMember.user_id == bindparam("user_id")))
_OWNERS = Statement(select(func.count()).where(_IS_IN_TEAM, TeamMember.role == "owner"))


_TEAM_LIST = Listing(
    Team,
    "billing_plan",
    undeleted=Team.deleted_at.is_(None),
)
_MEMBERSHIPS = select(TeamMember.team_id).where(TeamMember.user_id == bindparam("user_id")).subquery("memberships")
_OF_USER = Merge((_MEMBERSHIPS,), Team.id == _MEMBERSHIPS.c.team_id)
_MEMBER_LIST = Listing(TeamMember, "team_id", "role")


async def list_teams(session: Session, wanted: TeamFilter, page: Page, visible: ColumnElement[bool]) -> Found[Team]:
    """Return a page of the visible teams."""
    filters = wanted.model_dump(exclude={"show_deleted"}) | {"undeleted": None if wanted.show_deleted else True}
    return await _TEAM_LIST.fetch(session, page, filters, visible, _OF_USER if wanted.user_id else None)


async def list_members(session: Session, wanted: MemberFilter, page: Page) -> Found[TeamMember]:
    """Return a page of a team's members."""
    return await _MEMBER_LIST.fetch(session, page, wanted.model_dump())
