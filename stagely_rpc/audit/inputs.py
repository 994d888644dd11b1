"""What callers send about the audit trail."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from stagely_rpc.fields import Input, Line, ResourceId

ResourceType = Literal[
    "team",
    "team_member",
    "project",
    "environment",
    "secret",
    "user",
    "workflow_run",
    "cloud_provider",
    "build_job",
    "agent",
    "key",
    "access",
    "audit_log",
]


class AuditLogFilter(Input):
    """Which rows of the trail to list."""

    team_id: ResourceId | None = None
    project_id: ResourceId | None = None
    actor_id: ResourceId | None = None
    actor_service: Annotated[Line, StringConstraints(max_length=255)] | None = None
    action: Annotated[Line, StringConstraints(max_length=100)] | None = None
    resource_type: ResourceType | None = None
    resource_id: ResourceId | None = None
    request_id: Annotated[Line, StringConstraints(max_length=128)] | None = None
    since: datetime | None = None
    until: datetime | None = None


class ChainPlace(Input):
    """A place in a chain, as an earlier verification told it."""

    position: Annotated[int, Field(ge=1)]
    hash: Annotated[bytes, Field(min_length=32, max_length=32)]


class ChainToVerify(Input):
    """Which chain to verify: a team's, or the one of no team."""

    team_id: ResourceId | None = None
    anchor: ChainPlace | None = None
