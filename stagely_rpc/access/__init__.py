"""Who may do what: the one place that decides. Slices only say which team, project or user a call is about."""

from __future__ import annotations

from stagely_rpc.access.decisions import (
    admit,
    decide,
    enter,
    require_no_user,
    require_project,
    require_rank,
    require_team,
    require_user,
    role_queries,
    visible,
    visible_by_project,
    visible_users,
)
from stagely_rpc.access.queries import About

__all__ = [
    "About",
    "admit",
    "decide",
    "enter",
    "require_no_user",
    "require_project",
    "require_rank",
    "require_team",
    "require_user",
    "role_queries",
    "visible",
    "visible_by_project",
    "visible_users",
]
