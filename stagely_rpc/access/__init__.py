"""Who may do what: the one place that decides. Slices only say which team, project or user a call is about."""

from __future__ import annotations

from stagely_rpc.access.decisions import (
    admit,
    require_no_user,
    require_project,
    require_rank,
    require_team,
    require_user,
    visible,
    visible_by_project,
    visible_users,
)

__all__ = [
    "admit",
    "require_no_user",
    "require_project",
    "require_rank",
    "require_team",
    "require_user",
    "visible",
    "visible_by_project",
    "visible_users",
]
