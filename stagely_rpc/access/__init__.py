"""Who may do what: the one place that decides. Slices only say which team, project or user a call is about."""

from __future__ import annotations

from stagely_rpc.access.decisions import (
    admit,
    enter,
    require_no_user,
    require_project,
    require_rank,
    require_team,
    require_user,
    visible,
    visible_by_project,
    visible_users,
)
from stagely_rpc.access.holding import hold, hold_any, hold_resource, unchanged
from stagely_rpc.access.queries import About

__all__ = [
    "About",
    "admit",
    "enter",
    "hold",
    "hold_any",
    "hold_resource",
    "require_no_user",
    "require_project",
    "require_rank",
    "require_team",
    "require_user",
    "unchanged",
    "visible",
    "visible_by_project",
    "visible_users",
]
