"""Preview environments and the agents on their VMs."""

from __future__ import annotations

import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    text,
)
from sqlalchemy.dialects.postgresql import INET
from sqlalchemy.orm import Mapped, mapped_column

from stagely_rpc.db.models.base import NEWEST_FIRST, SENSITIVE, Base, Id, IpAddress, Now, RowVersion, UpdatedAt


class Environment(Base):
    """A preview environment. A trigger allows only the transitions of the state machine."""

    __tablename__ = "environments"
    __table_args__ = (
        CheckConstraint(
            "vm_status IN ('pending', 'provisioning', 'running', 'stopped', 'terminated')", name="valid_vm_status"
        ),
        CheckConstraint(
            "status IN ('pending', 'building', 'deploying', 'ready', 'failed', 'terminated', 'reaped')",
            name="valid_status",
        ),
        Index("idx_environments_project", "project_id"),
        Index("idx_environments_pr", "project_id", "pr_number"),
        Index("idx_environments_hash", "subdomain_hash"),
        Index("idx_environments_status", "status"),
        Index("idx_environments_heartbeat", "last_heartbeat_at", postgresql_where=text("status = 'ready'")),
        Index(
            "idx_environments_project_status",
            "project_id",
            "status",
            postgresql_where=text("status IN ('ready', 'deploying')"),
        ),
        Index("idx_environments_pr_lookup", "project_id", "pr_number", postgresql_where=text("terminated_at IS NULL")),
        Index(
            "unique_open_environment_per_pr",
            "project_id",
            "pr_number",
            unique=True,
            postgresql_where=text("status NOT IN ('terminated', 'reaped')"),
        ),
        Index("idx_environments_project_list", "project_id", *NEWEST_FIRST),
        Index("idx_environments_list", *NEWEST_FIRST),
        Index(
            "idx_environments_live",
            "project_id",
            postgresql_where=text("status IN ('pending', 'building', 'deploying', 'ready')"),
        ),
        Index("idx_environments_status_list", "status", *NEWEST_FIRST),
        Index("idx_environments_project_status_list", "project_id", "status", *NEWEST_FIRST),
        Index("idx_environments_branch_list", "project_id", "branch_name", *NEWEST_FIRST),
        {"comment": "Ephemeral preview environments (one per PR)"},
    )

    id: Mapped[Id]
    project_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    pr_number: Mapped[int | None]
    branch_name: Mapped[str] = mapped_column(String(255))
    commit_hash: Mapped[str] = mapped_column(String(40))
    subdomain_hash: Mapped[str] = mapped_column(
        String(50), unique=True, comment="NanoID for URL: https://{hash}.stagely.dev"
    )
    vm_id: Mapped[str | None] = mapped_column(String(255))
    vm_ip: Mapped[IpAddress | None] = mapped_column(INET)
    vm_status: Mapped[str] = mapped_column(String(20), server_default="pending")
    status: Mapped[str] = mapped_column(String(20), server_default="pending")
    deployed_at: Mapped[datetime | None]
    last_heartbeat_at: Mapped[datetime | None] = mapped_column(comment="Agent heartbeat timestamp (used by Reaper)")
    terminated_at: Mapped[datetime | None]
    estimated_cost_usd: Mapped[Decimal] = mapped_column(server_default=text("0.0"))
    created_at: Mapped[Now]
    updated_at: Mapped[UpdatedAt]
    row_version: Mapped[RowVersion]


class AgentConnection(Base):
    """An agent of an environment, and whether it is connected. Only the hash of its token is stored."""

    __tablename__ = "agent_connections"
    __table_args__ = (
        CheckConstraint("status IN ('connected', 'disconnected')", name="valid_status"),
        Index("idx_agent_connections_env", "environment_id"),
        Index("idx_agent_connections_last_seen", "last_seen_at", postgresql_where=text("status = 'connected'")),
        {"comment": "Active Agent WebSocket connections (in-memory state persisted)"},
    )

    id: Mapped[Id]
    environment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("environments.id", ondelete="CASCADE"))
    agent_id: Mapped[str] = mapped_column(String(100), unique=True)
    token_hash: Mapped[str] = mapped_column(String(64), info=SENSITIVE)
    status: Mapped[str] = mapped_column(String(20), server_default="connected")
    ip_address: Mapped[IpAddress | None] = mapped_column(INET)
    agent_version: Mapped[str | None] = mapped_column(String(20))
    system_info: Mapped[dict[str, Any] | None]
    connected_at: Mapped[Now]
    last_seen_at: Mapped[Now]
    disconnected_at: Mapped[datetime | None]
