"""The audit log: its entries, and the chains that seal them."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Index,
    String,
    text,
)
from sqlalchemy.dialects.postgresql import INET
from sqlalchemy.orm import Mapped, mapped_column

from stagely_rpc.db.models.base import LATEST_FIRST, Base, Id, IpAddress, Now


class AuditLog(Base):
    """An audit entry: append-only, and without foreign keys, because it outlives its resource."""

    __tablename__ = "audit_logs"
    __table_args__ = (
        CheckConstraint(
            "resource_type IN ('team', 'project', 'environment', 'secret', 'user', 'workflow_run',"
            " 'cloud_provider', 'build_job', 'agent', 'key', 'team_member', 'access', 'audit_log')",
            name="valid_resource_type",
        ),
        Index("idx_audit_logs_actor", "actor_id"),
        Index("idx_audit_logs_resource", "resource_type", "resource_id"),
        Index("idx_audit_logs_team", "team_id"),
        Index("idx_audit_logs_timestamp", text("timestamp DESC")),
        Index("idx_audit_logs_team_time", "team_id", text("timestamp DESC")),
        Index("idx_audit_logs_list", *LATEST_FIRST),
        Index("idx_audit_logs_team_list", "team_id", *LATEST_FIRST),
        Index(
            "idx_audit_logs_project_list",
            "project_id",
            *LATEST_FIRST,
            postgresql_where=text("project_id IS NOT NULL"),
        ),
        Index("idx_audit_logs_actor_list", "actor_id", *LATEST_FIRST, postgresql_where=text("actor_id IS NOT NULL")),
        Index(
            "idx_audit_logs_actor_service_list",
            "actor_service",
            *LATEST_FIRST,
            postgresql_where=text("actor_service IS NOT NULL"),
        ),
        Index("idx_audit_logs_action_list", "action", *LATEST_FIRST),
        Index("idx_audit_logs_request", "request_id", postgresql_where=text("request_id IS NOT NULL")),
        Index(
            "idx_audit_logs_resource_list",
            "resource_id",
            *LATEST_FIRST,
            postgresql_where=text("resource_id IS NOT NULL"),
        ),
        Index("idx_audit_logs_resource_type_list", "resource_type", *LATEST_FIRST),
        Index("idx_audit_logs_no_team_list", *LATEST_FIRST, postgresql_where=text("team_id IS NULL")),
        {"comment": "Audit trail for all sensitive operations"},
    )

    id: Mapped[Id]
    actor_id: Mapped[uuid.UUID | None]
    actor_email: Mapped[str | None] = mapped_column(String(255))
    actor_ip: Mapped[IpAddress | None] = mapped_column(INET)
    action: Mapped[str] = mapped_column(String(100))
    resource_type: Mapped[str] = mapped_column(String(50))
    resource_id: Mapped[uuid.UUID | None]
    team_id: Mapped[uuid.UUID | None]
    project_id: Mapped[uuid.UUID | None]
    # The name `metadata` is reserved by SQLAlchemy's declarative base.
    details: Mapped[dict[str, Any] | None] = mapped_column("metadata")
    timestamp: Mapped[Now]
    actor_service: Mapped[str | None] = mapped_column(String(255), comment="Identity of the calling service")
    request_id: Mapped[str | None] = mapped_column(String(128), comment="The x-request-id of the call")


class AuditUnsealed(Base):
    """An entry that is not sealed yet."""

    __tablename__ = "audit_unsealed"
    __table_args__ = ({"comment": "The queue of audit_logs' rows that have no seal yet, oldest first"},)

    timestamp: Mapped[datetime] = mapped_column(primary_key=True, comment="Of the row")
    audit_log_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)


class AuditSeal(Base):
    """The seal of an entry: its position in the team's chain. Append-only."""

    __tablename__ = "audit_seals"
    __table_args__ = (
        CheckConstraint("position > 0", name="valid_position"),
        CheckConstraint("octet_length(row_hash) = 32 AND octet_length(hash) = 32", name="valid_hashes"),
        {"comment": "The hash chain over audit_logs, one chain for each team; append-only"},
    )

    chain: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, comment="Whose rows the chain is of: a team's id, or the nil UUID for rows of no team"
    )
    position: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, autoincrement=False, comment="From 1, without a gap"
    )
    audit_log_id: Mapped[uuid.UUID] = mapped_column(unique=True)
    row_hash: Mapped[bytes] = mapped_column(comment="HMAC-SHA-256 of the row as it was sealed")
    hash: Mapped[bytes] = mapped_column(
        comment="HMAC-SHA-256 of the hash at the position before, the chain, the position and row_hash"
    )


class AuditChainHead(Base):
    """The end of a chain."""

    __tablename__ = "audit_chain_heads"
    __table_args__ = ({"comment": "Where each chain of audit_seals ends, so that a tail that was cut off is noticed"},)

    chain: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, comment="Of the chain's last seal")
    hash: Mapped[bytes] = mapped_column(comment="Of the chain's last seal")
    mac: Mapped[bytes] = mapped_column(comment="HMAC-SHA-256 of the other columns")
