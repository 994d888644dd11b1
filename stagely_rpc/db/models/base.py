"""The whole data model: one class for each table of the migrated schema.

The migrations are the source of the schema and these classes mirror it at the head revision: columns, checks,
keys, indexes and comments (`migrations.check` compares what alembic can, a test compares the catalogs).
Triggers and their functions live in the migrations alone.

A column that the schema lets be NULL is `X | None` here.  Network addresses (INET) are read
as `ipaddress` objects, psycopg's own choice: an address without a mask is an `IPv4Address` or `IPv6Address`.
What the database writes itself (`id`, `created_at`, `updated_at`, `row_version`, defaults) is on the object once it is
flushed.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Annotated, Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    FetchedValue,
    ForeignKey,
    Index,
    MetaData,
    Numeric,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import INET, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

POSTGRESQL_NAMES = {
    "pk": "%(table_name)s_pkey",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
}
"""What PostgreSQL calls a constraint that is given no name; checks and indexes always have one here."""

PYTHON_TYPES = {
    datetime: DateTime(timezone=True),
    dict[str, Any]: JSONB(none_as_null=True),
    Decimal: Numeric(10, 4),
    str: Text(),
}

IpAddress = IPv4Address | IPv6Address | IPv4Interface | IPv6Interface
Id = Annotated[uuid.UUID, mapped_column(Uuid, primary_key=True, server_default=func.gen_random_uuid())]
Now = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=func.now())]
UpdatedAt = Annotated[
    datetime, mapped_column(DateTime(timezone=True), server_default=func.now(), server_onupdate=FetchedValue())
]
RowVersion = Annotated[
    int,
    mapped_column(
        BigInteger,
        server_default=text("1"),
        server_onupdate=FetchedValue(),
        comment="Counts the writes of this row, 1 when it is new; a trigger raises it, etags are made of it",
    ),
]

LIVE_STATUSES = ("pending", "building", "deploying", "ready")
"""An environment in one of these is live: it counts toward its team's quota."""

SLUG_CHECK = "slug ~ '^[a-z0-9][a-z0-9-]*[a-z0-9]$'"
NEWEST_FIRST = (text("created_at DESC"), text("id DESC"))
LATEST_FIRST = (text("timestamp DESC"), text("id DESC"))
# what the triggers write during UPDATE comes back through RETURNING, as on INSERT
RETURN_WRITTEN_DEFAULTS = {"eager_defaults": True}
SENSITIVE = {"sensitive": True}
"""Of a column whose values the audit trail never shows."""
TRUE, FALSE, EMPTY_OBJECT = text("true"), text("false"), text("'{}'")


class Base(DeclarativeBase):
    """The root of all rows: `Base.metadata` is the schema."""

    metadata = MetaData(naming_convention=POSTGRESQL_NAMES)
    type_annotation_map = PYTHON_TYPES
    __mapper_args__ = RETURN_WRITTEN_DEFAULTS


class Team(Base):
    """A tenant; with `deleted_at` it is soft-deleted and its slug stays taken."""

    __tablename__ = "teams"
    __table_args__ = (
        CheckConstraint(SLUG_CHECK, name="valid_slug"),
        CheckConstraint("billing_plan IN ('free', 'pro', 'enterprise')", name="valid_plan"),
        Index("idx_teams_slug", "slug"),
        Index("idx_teams_deleted", "deleted_at", postgresql_where=text("deleted_at IS NULL")),
        Index("idx_teams_list", *NEWEST_FIRST),
        {"comment": "Top-level tenant. Users belong to teams."},
    )

    id: Mapped[Id]
    slug: Mapped[str] = mapped_column(String(100), unique=True, comment='URL-safe identifier (e.g., "acme-corp")')
    name: Mapped[str] = mapped_column(String(255))
    billing_email: Mapped[str | None] = mapped_column(String(255))
    billing_plan: Mapped[str] = mapped_column(String(50), server_default="free")
    max_concurrent_stagelets: Mapped[int] = mapped_column(
        server_default=text("5"), comment="Quota: max active preview environments"
    )
    max_concurrent_builds: Mapped[int] = mapped_column(server_default=text("10"))
    created_at: Mapped[Now]
    updated_at: Mapped[UpdatedAt]
    deleted_at: Mapped[datetime | None]
    row_version: Mapped[RowVersion]


class User(Base):
    """An account, found by its GitHub or Google id or its e-mail."""

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint(r"email ~ '^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}$'", name="valid_email"),
        Index("idx_users_email", "email"),
        Index("idx_users_github", "github_id"),
        Index("idx_users_google", "google_id"),
        Index("idx_users_list", *NEWEST_FIRST),
        {"comment": "User accounts (authentication via OAuth)"},
    )

    id: Mapped[Id]
    email: Mapped[str] = mapped_column(String(255), unique=True)
    name: Mapped[str] = mapped_column(String(255))
    avatar_url: Mapped[str | None]
    github_id: Mapped[str | None] = mapped_column(String(100), unique=True)
    google_id: Mapped[str | None] = mapped_column(String(100), unique=True)
    is_active: Mapped[bool] = mapped_column(server_default=TRUE)
    email_verified: Mapped[bool] = mapped_column(server_default=FALSE)
    created_at: Mapped[Now]
    updated_at: Mapped[UpdatedAt]
    last_login_at: Mapped[datetime | None]
    row_version: Mapped[RowVersion]


class TeamMember(Base):
    """A user's role in a team; there is no `updated_at`."""

    __tablename__ = "team_members"
    __table_args__ = (
        UniqueConstraint("team_id", "user_id", name="unique_team_user"),
        CheckConstraint("role IN ('owner', 'admin', 'member', 'viewer')", name="valid_role"),
        Index("idx_team_members_team", "team_id"),
        Index("idx_team_members_user", "user_id"),
        Index("idx_team_members_composite", "user_id", "team_id", "role"),
        Index("idx_team_members_team_list", "team_id", *NEWEST_FIRST),
        {"comment": "User membership in teams with role-based access control"},
    )

    id: Mapped[Id]
    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"))
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    role: Mapped[str] = mapped_column(
        String(50), server_default="member", comment="owner=full control, admin=manage, member=create, viewer=read-only"
    )
    created_at: Mapped[Now]
    row_version: Mapped[RowVersion]


class Project(Base):
    """A git repository of a team; its slug is unique within the team."""

    __tablename__ = "projects"
    __table_args__ = (
        UniqueConstraint("team_id", "slug", name="unique_project_slug"),
        CheckConstraint(SLUG_CHECK, name="valid_slug"),
        CheckConstraint("repo_provider IN ('github', 'gitlab', 'bitbucket')", name="valid_provider"),
        CheckConstraint("default_preview_size IN ('small', 'medium', 'large', 'xlarge')", name="valid_size"),
        Index("idx_projects_team", "team_id"),
        Index("idx_projects_slug", "team_id", "slug"),
        Index("idx_projects_repo", "repo_url"),
        Index("idx_projects_team_list", "team_id", *NEWEST_FIRST),
        Index("idx_projects_cloud_provider_list", "cloud_provider_id", *NEWEST_FIRST),
        Index("idx_projects_list", *NEWEST_FIRST),
        {"comment": "Git repositories configured for preview environments"},
    )

    id: Mapped[Id]
    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"))
    slug: Mapped[str] = mapped_column(String(100))
    name: Mapped[str] = mapped_column(String(255))
    repo_url: Mapped[str]
    repo_provider: Mapped[str] = mapped_column(String(50), server_default="github")
    default_branch: Mapped[str] = mapped_column(String(100), server_default="main")
    cloud_provider_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("cloud_providers.id", name="fk_projects_cloud_provider", ondelete="SET NULL")
    )
    default_preview_size: Mapped[str] = mapped_column(String(20), server_default="medium")
    config: Mapped[dict[str, Any]] = mapped_column(
        server_default=EMPTY_OBJECT, comment="Project-specific settings (JSON)"
    )
    is_active: Mapped[bool] = mapped_column(server_default=TRUE)
    created_at: Mapped[Now]
    updated_at: Mapped[UpdatedAt]
    row_version: Mapped[RowVersion]


class CloudProvider(Base):
    """A team's own cloud account; its name is unique within the team."""

    __tablename__ = "cloud_providers"
    __table_args__ = (
        UniqueConstraint("team_id", "name", name="unique_provider_name"),
        CheckConstraint("provider_type IN ('aws', 'gcp', 'digitalocean', 'hetzner', 'linode')", name="valid_provider"),
        Index("idx_cloud_providers_team", "team_id"),
        Index("idx_cloud_providers_team_list", "team_id", *NEWEST_FIRST),
        Index("idx_cloud_providers_list", *NEWEST_FIRST),
        {"comment": "User-managed cloud provider credentials (BYO Cloud model)"},
    )

    id: Mapped[Id]
    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(100))
    provider_type: Mapped[str] = mapped_column(String(50))
    encrypted_credentials: Mapped[str] = mapped_column(
        comment="AES-256-GCM encrypted JSON of API keys/tokens", info=SENSITIVE
    )
    region: Mapped[str | None] = mapped_column(String(50))
    config: Mapped[dict[str, Any]] = mapped_column(server_default=EMPTY_OBJECT)
    is_active: Mapped[bool] = mapped_column(server_default=TRUE)
    last_validated_at: Mapped[datetime | None]
    validation_error: Mapped[str | None]
    created_at: Mapped[Now]
    updated_at: Mapped[UpdatedAt]
    row_version: Mapped[RowVersion]


class Environment(Base):
    """A preview environment; a trigger refuses changes of `status` outside the state machine."""

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


class WorkflowRun(Base):
    """One run of an environment's build, deploy and test pipeline."""

    __tablename__ = "workflow_runs"
    __table_args__ = (
        CheckConstraint(
            "trigger IN ('pr_opened', 'pr_synchronized', 'manual_rebuild', 'secret_updated')", name="valid_trigger"
        ),
        CheckConstraint(
            "status IN ('pending', 'building', 'deploying', 'testing', 'completed', 'failed', 'cancelled')",
            name="valid_status",
        ),
        CheckConstraint("result IN ('success', 'failure', 'cancelled') OR result IS NULL", name="valid_result"),
        Index("idx_workflow_runs_env", "environment_id"),
        Index("idx_workflow_runs_status", "status"),
        Index("idx_workflow_runs_created", text("created_at DESC")),
        {"comment": "Build/deploy/test pipeline execution tracking"},
    )

    id: Mapped[Id]
    environment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("environments.id", ondelete="CASCADE"))
    trigger: Mapped[str] = mapped_column(String(50))
    triggered_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    status: Mapped[str] = mapped_column(String(20), server_default="pending")
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    duration_seconds: Mapped[int | None]
    result: Mapped[str | None] = mapped_column(String(20))
    error_message: Mapped[str | None]
    created_at: Mapped[Now]
    updated_at: Mapped[UpdatedAt]
    row_version: Mapped[RowVersion]


class BuildJob(Base):
    """One image to build for one architecture within a workflow run."""

    __tablename__ = "build_jobs"
    __table_args__ = (
        CheckConstraint("architecture IN ('amd64', 'arm64', 'multi')", name="valid_architecture"),
        CheckConstraint(
            "status IN ('queued', 'provisioning', 'running', 'completed', 'failed', 'cancelled')", name="valid_status"
        ),
        Index("idx_build_jobs_workflow", "workflow_run_id"),
        Index("idx_build_jobs_status", "status"),
        Index("idx_build_jobs_queued", "queued_at", postgresql_where=text("status = 'queued'")),
        Index("idx_build_jobs_status_queued", "status", "queued_at", postgresql_where=text("status = 'queued'")),
        {"comment": "Individual build tasks (one per build target per architecture)"},
    )

    id: Mapped[Id]
    workflow_run_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("workflow_runs.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(100))
    architecture: Mapped[str] = mapped_column(String(20))
    context_path: Mapped[str | None] = mapped_column(String(500))
    dockerfile_path: Mapped[str | None] = mapped_column(String(500))
    vm_id: Mapped[str | None] = mapped_column(String(255))
    cloud_provider_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("cloud_providers.id", ondelete="SET NULL"))
    machine_size: Mapped[str | None] = mapped_column(String(20))
    status: Mapped[str] = mapped_column(String(20), server_default="queued")
    queued_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    duration_seconds: Mapped[int | None]
    artifact_url: Mapped[str | None] = mapped_column(comment="Docker registry URL: registry.internal/proj/env:tag")
    exit_code: Mapped[int | None]
    error_message: Mapped[str | None]
    created_at: Mapped[Now]
    updated_at: Mapped[UpdatedAt]
    row_version: Mapped[RowVersion]


class BuildLog(Base):
    """One line of a build job's output; never changed, so it has no version."""

    __tablename__ = "build_logs"
    __table_args__ = (
        CheckConstraint("stream IN ('stdout', 'stderr')", name="valid_stream"),
        Index("idx_build_logs_job", "build_job_id", "timestamp"),
        {"comment": "Real-time build output (streamed via Agent WebSocket)"},
    )

    id: Mapped[Id]
    build_job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("build_jobs.id", ondelete="CASCADE"))
    timestamp: Mapped[Now]
    stream: Mapped[str] = mapped_column(String(10))
    line: Mapped[str]


class Secret(Base):
    """An encrypted value of a project, unique by key within its scope."""

    __tablename__ = "secrets"
    __table_args__ = (
        UniqueConstraint("project_id", "key", "scope", name="unique_secret_per_scope"),
        CheckConstraint("scope = 'global' OR scope ~ '^[a-zA-Z0-9_-]+$'", name="valid_scope"),
        CheckConstraint("secret_type IN ('env', 'file')", name="valid_type"),
        Index("idx_secrets_project", "project_id"),
        Index("idx_secrets_project_scope", "project_id", "scope"),
        Index("idx_secrets_project_list", "project_id", *NEWEST_FIRST),
        {"comment": "Encrypted secrets injected into environments"},
    )

    id: Mapped[Id]
    project_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(String(255))
    encrypted_value: Mapped[str] = mapped_column(comment="AES-256-GCM encrypted", info=SENSITIVE)
    scope: Mapped[str] = mapped_column(
        String(50), server_default="global", comment='"global" or service name (e.g., "backend", "frontend")'
    )
    secret_type: Mapped[str] = mapped_column(String(20), server_default="env")
    file_path: Mapped[str | None]
    file_permissions: Mapped[str | None] = mapped_column(String(4))
    created_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[Now]
    updated_at: Mapped[UpdatedAt]
    row_version: Mapped[RowVersion]


class AuditLog(Base):
    """One audited action: append-only, and without keys to what it names, because it outlives it."""

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
    # declarative keeps the name `metadata` for itself
    details: Mapped[dict[str, Any] | None] = mapped_column("metadata")
    timestamp: Mapped[Now]
    actor_service: Mapped[str | None] = mapped_column(String(255), comment="Identity of the calling service")
    request_id: Mapped[str | None] = mapped_column(String(128), comment="The x-request-id of the call")


class AuditUnsealed(Base):
    """A row of the trail that waits for its seal."""

    __tablename__ = "audit_unsealed"
    __table_args__ = ({"comment": "The queue of audit_logs' rows that have no seal yet, oldest first"},)

    timestamp: Mapped[datetime] = mapped_column(primary_key=True, comment="Of the row")
    audit_log_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)


class AuditSeal(Base):
    """The place of a row of the trail in its team's chain: append-only."""

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
    """Where a chain of seals ends."""

    __tablename__ = "audit_chain_heads"
    __table_args__ = ({"comment": "Where each chain of audit_seals ends, so that a tail that was cut off is noticed"},)

    chain: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, comment="Of the chain's last seal")
    hash: Mapped[bytes] = mapped_column(comment="Of the chain's last seal")
    mac: Mapped[bytes] = mapped_column(comment="HMAC-SHA-256 of the other columns")


class IdempotencyKey(Base):
    """A request that must not have its effect twice, and its answer, sealed; it commits with the effect."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        Index("idx_idempotency_keys_expires", "expires_at"),
        {"comment": "Requests that were answered, so that a repetition gets the same answer (AIP-155)"},
    )

    caller: Mapped[str] = mapped_column(String(255), primary_key=True, comment="Identity of the calling service")
    request_id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    sealed_answer: Mapped[bytes | None] = mapped_column(
        comment="AES-256-GCM of fingerprint and answer; NULL only while the request is worked on"
    )
    expires_at: Mapped[datetime]


class AgentConnection(Base):
    """An agent of an environment and whether it is connected; only the hash of its token is kept."""

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


class DataKey(Base):
    """A team's data key, itself encrypted; at most one is not retired."""

    __tablename__ = "data_keys"
    __table_args__ = (
        Index("unique_active_data_key_per_team", "team_id", unique=True, postgresql_where=text("retired_at IS NULL")),
        Index("idx_data_keys_team", "team_id"),
        Index("idx_data_keys_key_encryption_key", "key_encryption_key_id"),
        {"comment": "AES-256-GCM data keys, one active per team, each encrypted by the key-encryption key"},
    )

    id: Mapped[Id]
    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"))
    key_encryption_key_id: Mapped[str] = mapped_column(
        String(32), comment="Which key-encryption key encrypts wrapped_key"
    )
    wrapped_key: Mapped[str] = mapped_column(comment="The data key, AES-256-GCM encrypted by the key-encryption key")
    created_at: Mapped[Now]
    retired_at: Mapped[datetime | None] = mapped_column(
        comment="Since when it encrypts nothing new; it still decrypts what it encrypted"
    )
