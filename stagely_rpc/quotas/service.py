"""The rules of quotas. A count is exact while the team is locked exclusively."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely_rpc.errors import ResourceExhaustedError
from stagely_rpc.quotas import queries

if TYPE_CHECKING:
    import uuid

    from stagely_rpc.access import ResourceRef
    from stagely_rpc.db.models.rows import TeamRow
    from stagely_rpc.db.sql.statement import Query


def live_environments_of_team(ref: ResourceRef) -> Query[int]:
    """Return the query for the number of live environments of the team that owns a resource."""
    return queries.count_live_environments_of_team(ref)


def live_environments_of_project(project_id: uuid.UUID) -> Query[int]:
    """Return the query for the number of live environments of a project."""
    return queries.count_live_environments_of_project(project_id)


def require_environment(team: TeamRow, live: int) -> None:
    """Check that a team may have one more live environment. The team must be locked exclusively.

    Raises:
        ResourceExhaustedError: the quota is used up.
    """
    if live >= team.max_concurrent_stagelets:
        message = f"team {team.slug!r} has {live} live environments and a quota of {team.max_concurrent_stagelets}"
        raise ResourceExhaustedError(message, subject=f"Team {team.id}", reason="ENVIRONMENT_QUOTA_EXCEEDED")
