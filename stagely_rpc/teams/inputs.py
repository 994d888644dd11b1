"""What callers send about teams."""

from __future__ import annotations

from typing import Literal

from stagely_rpc.call import Role
from stagely_rpc.fields import Email, Etag, Input, Name, Quota, ResourceId, Slug

Plan = Literal["free", "pro", "enterprise"]


class TeamChanges(Input):
    """What of a team can be changed; the defaults are what a cleared field gets."""

    name: Name
    billing_email: Email | None = None
    billing_plan: Plan = "free"
    max_concurrent_stagelets: Quota = 5
    max_concurrent_builds: Quota = 10


class NewTeam(TeamChanges):
    """A team to create."""

    slug: Slug


class TeamKey(Input):
    """Which team: by one of its keys."""

    id: ResourceId | None = None
    slug: Slug | None = None


class TeamFilter(Input):
    """Which teams to list."""

    show_deleted: bool = False
    user_id: ResourceId | None = None
    billing_plan: Plan | None = None


class TeamDeletion(Input):
    """Which team to delete."""

    id: ResourceId
    etag: Etag = ""
    force: bool = False


class MemberTarget(Input):
    """Which member of which team, and the etag that the membership must have, if any."""

    team_id: ResourceId
    user_id: ResourceId
    etag: Etag = ""


class NewMember(Input):
    """Who is to be a member of which team, as what."""

    team_id: ResourceId
    user_id: ResourceId
    role: Role = "member"


class MemberChange(MemberTarget):
    """What a member is to be."""

    role: Role


class MemberFilter(Input):
    """Which members of which team to list."""

    team_id: ResourceId
    role: Role | None = None
