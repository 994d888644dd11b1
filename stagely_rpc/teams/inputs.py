"""The requests of TeamService as validated models."""

from __future__ import annotations

from typing import Literal

from stagely_rpc.call import Role
from stagely_rpc.fields import Email, Etag, Input, Name, Quota, ResourceId, Slug

Plan = Literal["free", "pro", "enterprise"]


class TeamChanges(Input):
    """The fields of a team that can change. A cleared field gets its default."""

    name: Name
    billing_email: Email | None = None
    billing_plan: Plan = "free"
    max_concurrent_stagelets: Quota = 5
    max_concurrent_builds: Quota = 10


class NewTeam(TeamChanges):
    """A team to create."""

    slug: Slug


class TeamKey(Input):
    """The key of a team: its id or its slug."""

    id: ResourceId | None = None
    slug: Slug | None = None


class TeamFilter(Input):
    """The filters of a list of teams."""

    show_deleted: bool = False
    user_id: ResourceId | None = None
    billing_plan: Plan | None = None


class TeamDeletion(Input):
    """The deletion of a team."""

    id: ResourceId
    etag: Etag = ""
    force: bool = False


class MemberTarget(Input):
    """A membership, and the etag that it must have, if any."""

    team_id: ResourceId
    user_id: ResourceId
    etag: Etag = ""


class NewMember(Input):
    """A membership to create."""

    team_id: ResourceId
    user_id: ResourceId
    role: Role = "member"


class MemberChange(MemberTarget):
    """The new role of a member."""

    role: Role


class MemberFilter(Input):
    """The team and the filters of a list of members."""

    team_id: ResourceId
    role: Role | None = None
