"""Every SQL statement about environments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import ARRAY, String, True_, and_, any_, bindparam, column, func, select

from stagely_rpc.access import register_owner
from stagely_rpc.db.batching.point_read import PointRead
from stagely_rpc.db.models import LIVE_STATUSES, Environment, Project
from stagely_rpc.db.models.rows import EnvironmentRow, ProjectRow
from stagely_rpc.db.paging import Found, Listing, Merge, Page, allowed_values
from stagely_rpc.db.sql.statement import Statement, is_none_of

if TYPE_CHECKING:
    import uuid

    from sqlalchemy import ColumnElement, FromClause

    from stagely_rpc.db.session import Session
    from stagely_rpc.db.sql.statement import Query
    from stagely_rpc.environments.inputs import EnvironmentFilter

CLOSED_STATUSES = ("terminated", "reaped")
"""The final statuses. A pull request whose environment has one of these can get a new environment."""

register_owner(Environment, Environment.project_id, through=Project)

_ENVIRONMENTS = select(Environment.__table__)
_IS_OPEN = is_none_of(Environment.status, CLOSED_STATUSES)

ENVIRONMENT_BY_ID = PointRead("environment by id", EnvironmentRow, _ENVIRONMENTS, Environment.id)
ENVIRONMENT_BY_SUBDOMAIN = PointRead(
    "environment by subdomain", EnvironmentRow, _ENVIRONMENTS, Environment.subdomain_hash
)
OPEN_ENVIRONMENT = PointRead(
    "open environment of pull request",
    EnvironmentRow,
    _ENVIRONMENTS.where(_IS_OPEN),
    Environment.project_id,
    Environment.pr_number,
)

_HAS_ID = Environment.id == bindparam("id")
_LOCK = Statement(_ENVIRONMENTS.where(_HAS_ID).with_for_update(key_share=True), EnvironmentRow)
_LOCK_OPEN = Statement(
    _ENVIRONMENTS.where(
        Environment.project_id == bindparam("project_id"), Environment.pr_number == bindparam("pr_number"), _IS_OPEN
    ).with_for_update(key_share=True),
    EnvironmentRow,
)
_SHARE_LOCK_PROJECT = Statement(
    select(Project.__table__)
    .where(Project.id == select(Environment.project_id).where(_HAS_ID).scalar_subquery())
    .with_for_update(read=True),
    ProjectRow,
)


def lock_environment(environment_id: uuid.UUID) -> Query[EnvironmentRow | None]:
    """Return the query that locks an environment."""
    return _LOCK.first(id=environment_id)


def lock_open_environment(project_id: uuid.UUID, pr_number: int) -> Query[EnvironmentRow | None]:
    """Return the query that locks the open environment of a pull request."""
    return _LOCK_OPEN.first(project_id=project_id, pr_number=pr_number)


def lock_project_for_share(environment_id: uuid.UUID) -> Query[ProjectRow | None]:
    """Return the query that locks the project of an environment FOR SHARE."""
    return _SHARE_LOCK_PROJECT.first(id=environment_id)


_TEAM_PROJECT_IDS = select(Project.id).where(Project.team_id == bindparam("team_id"))
_TEAM_PROJECTS = _TEAM_PROJECT_IDS.subquery("team_projects")
_STATUSES = (
    func.unnest(bindparam("statuses", type_=ARRAY(String)))
    .table_valued(column("status", String), name="statuses")
    .render_derived()
)
_LIST = Listing(
    EnvironmentRow,
    "project_id",
    "pr_number",
    "branch_name",
    in_team=Environment.project_id.in_(select(Project.id).where(Project.team_id == bindparam("in_team"))),
    in_statuses=Environment.status == any_(bindparam("in_statuses", type_=ARRAY(String))),
)


async def list_environments(
    session: Session, wanted: EnvironmentFilter, page: Page, visible: ColumnElement[bool]
) -> Found[EnvironmentRow]:
    """Return a page of the visible environments."""
    filters = {
        **wanted.model_dump(include={"project_id", "pr_number", "branch_name"}),
        "in_team" if wanted.project_id else "team_id": wanted.team_id,
        "statuses" if _has_list_per_status(wanted) else "in_statuses": _statuses(wanted),
    }
    return await _LIST.fetch(session, page, filters, visible, _merge(wanted, visible))


def _statuses(wanted: EnvironmentFilter) -> list[str] | None:
    if not wanted.live_only:
        return sorted(wanted.statuses) or None
    return sorted(wanted.statuses.intersection(LIVE_STATUSES)) if wanted.statuses else list(LIVE_STATUSES)


def _has_list_per_status(wanted: EnvironmentFilter) -> bool:
    """Return whether to read one list per status. A filter by pull request or branch matches few rows anyway."""
    return _statuses(wanted) is not None and wanted.pr_number is None and wanted.branch_name is None


def _merge(wanted: EnvironmentFilter, visible: ColumnElement[bool]) -> Merge | None:
    """Return the lists per project and per status that make up the requested list. An index covers each of them."""
    sources: list[FromClause] = []
    conditions: list[ColumnElement[bool]] = []
    projects = None if wanted.project_id else _projects(wanted, visible)
    if projects is not None:
        sources.append(projects)
        conditions.append(Environment.project_id == projects.c.id)
    if _has_list_per_status(wanted):
        sources.append(_STATUSES)
        conditions.append(Environment.status == _STATUSES.c.status)
    return Merge(tuple(sources), and_(*conditions), are_visible=projects is not None) if sources else None


def _projects(wanted: EnvironmentFilter, visible: ColumnElement[bool]) -> FromClause | None:
    """Return the projects of the filter that are visible; None for all projects."""
    if isinstance(visible, True_):
        return _TEAM_PROJECTS if wanted.team_id else None
    allowed = allowed_values(visible)
    return (_TEAM_PROJECT_IDS.where(Project.id.in_(allowed)) if wanted.team_id else allowed).subquery(
        "visible_projects"
    )
