"""Authorization. Slices name the team, project or user of a call; this package decides."""

from __future__ import annotations

from stagely_rpc.access.decisions import (
    admit,
    authorize_and_fetch,
    require_no_user,
    require_project,
    require_rank,
    require_team,
    require_user,
    visible,
    visible_by_project,
    visible_users,
)
from stagely_rpc.access.locking import lock_resource, lock_team, lock_team_even_deleted, require_unchanged
from stagely_rpc.access.ownership import ResourceRef, register_owner
from stagely_rpc.access.reauthorization import admit_again

__all__ = [
    "ResourceRef",
    "admit",
    "admit_again",
    "authorize_and_fetch",
    "lock_resource",
    "lock_team",
    "lock_team_even_deleted",
    "register_owner",
    "require_no_user",
    "require_project",
    "require_rank",
    "require_team",
    "require_unchanged",
    "require_user",
    "visible",
    "visible_by_project",
    "visible_users",
]
