"""The tables, one class each. `Base.metadata` is the schema at the head revision."""

from __future__ import annotations

from stagely_rpc.db.models.audit import AuditChainHead, AuditLog, AuditSeal, AuditUnsealed
from stagely_rpc.db.models.base import LIVE_STATUSES, Base
from stagely_rpc.db.models.environments import AgentConnection, Environment
from stagely_rpc.db.models.projects import CloudProvider, Project
from stagely_rpc.db.models.runs import BuildJob, BuildLog, WorkflowRun
from stagely_rpc.db.models.secrets import DataKey, Secret
from stagely_rpc.db.models.system import IdempotencyKey
from stagely_rpc.db.models.tenants import Team, TeamMember, User

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
