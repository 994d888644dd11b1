"""Every SQL statement that counts usage."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, select

from stagely_rpc.access.ownership import team_id_of
from stagely_rpc.db.models import LIVE_STATUSES, Environment, Project
from stagely_rpc.db.sql.statement import Statement, is_one_of

if TYPE_CHECKING:
    import uuid
    from typing import Any

    from stagely_rpc.access import ResourceRef
    from stagely_rpc.db.models import Base
    from stagely_rpc.db.sql.statement import Query

_IS_LIVE = is_one_of(Environment.status, LIVE_STATUSES)
_OF_PROJECT = Statement(select(func.count()).where(Environment.project_id == bindparam("id"), _IS_LIVE))


def count_live_environments_of_team(ref: ResourceRef) -> Query[int]:
    """Return the query for the number of live environments of the team that owns a resource."""
    return _of_team(ref.model).value(ref=ref.id)


def count_live_environments_of_project(project_id: uuid.UUID) -> Query[int]:
    """Return the query for the number of live environments of a project."""
    return _OF_PROJECT.value(id=project_id)


@cache
def _of_team(model: type[Base]) -> Statement[Any]:
    return Statement(
        select(func.count())
        .select_from(Environment)
        .join(Project, Project.id == Environment.project_id)
        .where(Project.team_id == team_id_of(model), _IS_LIVE)
    )
