"""The tables, one class each. `Base.metadata` is the schema at the head revision."""

from __future__ import annotations

from stagely_rpc.db.models.base import (
    LIVE_STATUSES,
    AgentConnection,
    AuditChainHead,
    AuditLog,
    AuditSeal,
    AuditUnsealed,
    Base,
    BuildJob,
    BuildLog,
    CloudProvider,
    DataKey,
    Environment,
    IdempotencyKey,
    Project,
    Secret,
    Team,
    TeamMember,
    User,
    WorkflowRun,
)

__all__ = [
    "LIVE_STATUSES",
    "AgentConnection",
    "AuditChainHead",
    "AuditLog",
    "AuditSeal",
    "AuditUnsealed",
    "Base",
    "BuildJob",
    "BuildLog",
    "CloudProvider",
    "DataKey",
    "Environment",
    "IdempotencyKey",
    "Project",
    "Secret",
    "Team",
    "TeamMember",
    "User",
    "WorkflowRun",
]
