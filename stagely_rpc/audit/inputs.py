"""Inputs of AuditService."""

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
    """Which audit rows to list."""

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
    """A position in a chain, as an earlier verification returned it."""

    position: Annotated[int, Field(ge=1)]
    hash: Annotated[bytes, Field(min_length=32, max_length=32)]


class ChainToVerify(Input):
    """Which chain to verify: a team's, or the chain of rows without a team."""

    team_id: ResourceId | None = None
    anchor: ChainPlace | None = None
