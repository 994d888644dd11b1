"""The planned schema: the facts of its twelve tables.

They are copied from the plan, not from the migrations, so that tests find a mistake in a migration. Every table also
has the primary key `id` (`KEY`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

KEY = "UUID PRIMARY KEY DEFAULT gen_random_uuid()"
NOW = "TIMESTAMPTZ NOT NULL DEFAULT NOW()"
SLUG = "slug ~ '^[a-z0-9][a-z0-9-]*[a-z0-9]$'"


@dataclass(frozen=True)
class TableFacts:
    """The facts of a table. Dictionary keys are names. A foreign key is (column, table, action on delete)."""

    comment: str
    columns: dict[str, str]
    checks: dict[str, str]
    indexes: dict[str, str]
    uniques: dict[str, str] = field(default_factory=dict)
    foreign_keys: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    column_comments: dict[str, str] = field(default_factory=dict)


TABLES = {
    "teams": TableFacts(
        comment="Top-level tenant. Users belong to teams.",
        columns={
            "slug": "VARCHAR(100) NOT NULL",
            "name": "VARCHAR(255) NOT NULL",
            "billing_email": "VARCHAR(255)",
            "billing_plan": "VARCHAR(50) DEFAULT 'free'",
            "max_concurrent_stagelets": "INT DEFAULT 5",
            "max_concurrent_builds": "INT DEFAULT 10",
            "created_at": NOW,
            "updated_at": NOW,
            "deleted_at": "TIMESTAMPTZ",
        },
        checks={"valid_slug": SLUG, "valid_plan": "billing_plan IN ('free', 'pro', 'enterprise')"},
        uniques={"teams_slug_key": "slug"},
        indexes={"idx_teams_slug": "(slug)", "idx_teams_deleted": "(deleted_at) WHERE deleted_at IS NULL"},
        column_comments={
            "slug": 'URL-safe identifier (e.g., "acme-corp")',
            "max_concurrent_stagelets": "Quota: max active preview environments",
        },
    ),
    "users": TableFacts(
        comment="User accounts (authentication via OAuth)",
        columns={
            "email": "VARCHAR(255) NOT NULL",
            "name": "VARCHAR(255) NOT NULL",
            "avatar_url": "TEXT",
            "github_id": "VARCHAR(100)",
            "google_id": "VARCHAR(100)",
            "is_active": "BOOLEAN DEFAULT true",
            "email_verified": "BOOLEAN DEFAULT false",
            "created_at": NOW,
            "updated_at": NOW,
            "last_login_at": "TIMESTAMPTZ",
        },
        checks={"valid_email": r"email ~ '^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Z|a-z]{2,}$'"},
        uniques={"users_email_key": "email", "users_github_id_key": "github_id", "users_google_id_key": "google_id"},
        indexes={
            "idx_users_email": "(email)",
            "idx_users_github": "(github_id)",
            "idx_users_google": "(google_id)",
        },
    ),
    "team_members": TableFacts(
        comment="User membership in teams with role-based access control",
        columns={
            "team_id": "UUID NOT NULL",
            "user_id": "UUID NOT NULL",
            "role": "VARCHAR(50) NOT NULL DEFAULT 'member'",
            "created_at": NOW,
        },
        checks={"valid_role": "role IN ('owner', 'admin', 'member', 'viewer')"},
        uniques={"unique_team_user": "team_id, user_id"},
        foreign_keys={
            "team_members_team_id_fkey": ("team_id", "teams", "CASCADE"),
            "team_members_user_id_fkey": ("user_id", "users", "CASCADE"),
        },
        indexes={
            "idx_team_members_team": "(team_id)",
            "idx_team_members_user": "(user_id)",
            "idx_team_members_composite": "(user_id, team_id, role)",
        },
        column_comments={"role": "owner=full control, admin=manage, member=create, viewer=read-only"},
    ),
    "projects": TableFacts(
        comment="Git repositories configured for preview environments",
        columns={
            "team_id": "UUID NOT NULL",
            "slug": "VARCHAR(100) NOT NULL",
            "name": "VARCHAR(255) NOT NULL",
            "repo_url": "TEXT NOT NULL",
            "repo_provider": "VARCHAR(50) NOT NULL DEFAULT 'github'",
            "default_branch": "VARCHAR(100) DEFAULT 'main'",
            "cloud_provider_id": "UUID",
            "default_preview_size": "VARCHAR(20) DEFAULT 'medium'",
            "config": "JSONB DEFAULT '{}'",
            "is_active": "BOOLEAN DEFAULT true",
            "created_at": NOW,
            "updated_at": NOW,
        },
        checks={
            "valid_slug": SLUG,
            "valid_provider": "repo_provider IN ('github', 'gitlab', 'bitbucket')",
            "valid_size": "default_preview_size IN ('small', 'medium', 'large', 'xlarge')",
        },
        uniques={"unique_project_slug": "team_id, slug"},
        foreign_keys={
            "projects_team_id_fkey": ("team_id", "teams", "CASCADE"),
            "fk_projects_cloud_provider": ("cloud_provider_id", "cloud_providers", "SET NULL"),
        },
        indexes={
            "idx_projects_team": "(team_id)",
            "idx_projects_slug": "(team_id, slug)",
            "idx_projects_repo": "(repo_url)",
        },
        column_comments={"config": "Project-specific settings (JSON)"},
    ),
    "cloud_providers": TableFacts(
        comment="User-managed cloud provider credentials (BYO Cloud model)",
        columns={
            "team_id": "UUID NOT NULL",
            "name": "VARCHAR(100) NOT NULL",
            "provider_type": "VARCHAR(50) NOT NULL",
            "encrypted_credentials": "TEXT NOT NULL",
            "region": "VARCHAR(50)",
            "config": "JSONB DEFAULT '{}'",
            "is_active": "BOOLEAN DEFAULT true",
            "last_validated_at": "TIMESTAMPTZ",
            "validation_error": "TEXT",
            "created_at": NOW,
            "updated_at": NOW,
        },
        checks={"valid_provider": "provider_type IN ('aws', 'gcp', 'digitalocean', 'hetzner', 'linode')"},
        uniques={"unique_provider_name": "team_id, name"},
        foreign_keys={"cloud_providers_team_id_fkey": ("team_id", "teams", "CASCADE")},
        indexes={"idx_cloud_providers_team": "(team_id)"},
        column_comments={"encrypted_credentials": "AES-256-GCM encrypted JSON of API keys/tokens"},
    ),
    "environments": TableFacts(
        comment="Ephemeral preview environments (one per PR)",
        columns={
            "project_id": "UUID NOT NULL",
            "pr_number": "INT",
            "branch_name": "VARCHAR(255) NOT NULL",
            "commit_hash": "VARCHAR(40) NOT NULL",
            "subdomain_hash": "VARCHAR(50) NOT NULL",
            "vm_id": "VARCHAR(255)",
            "vm_ip": "INET",
            "vm_status": "VARCHAR(20) DEFAULT 'pending'",
            "status": "VARCHAR(20) NOT NULL DEFAULT 'pending'",
            "deployed_at": "TIMESTAMPTZ",
            "last_heartbeat_at": "TIMESTAMPTZ",
            "terminated_at": "TIMESTAMPTZ",
            "estimated_cost_usd": "DECIMAL(10, 4) DEFAULT 0.0",
            "created_at": NOW,
            "updated_at": NOW,
        },
        checks={
            "valid_vm_status": "vm_status IN ('pending', 'provisioning', 'running', 'stopped', 'terminated')",
            "valid_status": (
                "status IN ('pending', 'building', 'deploying', 'ready', 'failed', 'terminated', 'reaped')"
            ),
        },
        uniques={"environments_subdomain_hash_key": "subdomain_hash"},
        foreign_keys={"environments_project_id_fkey": ("project_id", "projects", "CASCADE")},
        indexes={
            "idx_environments_project": "(project_id)",
            "idx_environments_pr": "(project_id, pr_number)",
            "idx_environments_hash": "(subdomain_hash)",
            "idx_environments_status": "(status)",
            "idx_environments_heartbeat": "(last_heartbeat_at) WHERE status = 'ready'",
            "idx_environments_project_status": "(project_id, status) WHERE status IN ('ready', 'deploying')",
            "idx_environments_pr_lookup": "(project_id, pr_number) WHERE terminated_at IS NULL",
        },
        column_comments={
            "subdomain_hash": "NanoID for URL: https://{hash}.stagely.dev",
            "last_heartbeat_at": "Agent heartbeat timestamp (used by Reaper)",
        },
    ),
    "workflow_runs": TableFacts(
        comment="Build/deploy/test pipeline execution tracking",
        columns={
            "environment_id": "UUID NOT NULL",
            "trigger": "VARCHAR(50) NOT NULL",
            "triggered_by": "UUID",
            "status": "VARCHAR(20) NOT NULL DEFAULT 'pending'",
            "started_at": "TIMESTAMPTZ",
            "completed_at": "TIMESTAMPTZ",
            "duration_seconds": "INT",
            "result": "VARCHAR(20)",
            "error_message": "TEXT",
            "created_at": NOW,
            "updated_at": NOW,
        },
        checks={
            "valid_trigger": "trigger IN ('pr_opened', 'pr_synchronized', 'manual_rebuild', 'secret_updated')",
            "valid_status": (
                "status IN ('pending', 'building', 'deploying', 'testing', 'completed', 'failed', 'cancelled')"
            ),
            "valid_result": "result IN ('success', 'failure', 'cancelled') OR result IS NULL",
        },
        foreign_keys={
            "workflow_runs_environment_id_fkey": ("environment_id", "environments", "CASCADE"),
            "workflow_runs_triggered_by_fkey": ("triggered_by", "users", "NO ACTION"),
        },
        indexes={
            "idx_workflow_runs_env": "(environment_id)",
            "idx_workflow_runs_status": "(status)",
            "idx_workflow_runs_created": "(created_at DESC)",
        },
    ),
    "build_jobs": TableFacts(
        comment="Individual build tasks (one per build target per architecture)",
        columns={
            "workflow_run_id": "UUID NOT NULL",
            "name": "VARCHAR(100) NOT NULL",
            "architecture": "VARCHAR(20) NOT NULL",
            "context_path": "VARCHAR(500)",
            "dockerfile_path": "VARCHAR(500)",
            "vm_id": "VARCHAR(255)",
            "cloud_provider_id": "UUID",
            "machine_size": "VARCHAR(20)",
            "status": "VARCHAR(20) NOT NULL DEFAULT 'queued'",
            "queued_at": "TIMESTAMPTZ DEFAULT NOW()",
            "started_at": "TIMESTAMPTZ",
            "completed_at": "TIMESTAMPTZ",
            "duration_seconds": "INT",
            "artifact_url": "TEXT",
            "exit_code": "INT",
            "error_message": "TEXT",
            "created_at": NOW,
            "updated_at": NOW,
        },
        checks={
            "valid_architecture": "architecture IN ('amd64', 'arm64', 'multi')",
            "valid_status": "status IN ('queued', 'provisioning', 'running', 'completed', 'failed', 'cancelled')",
        },
        foreign_keys={
            "build_jobs_workflow_run_id_fkey": ("workflow_run_id", "workflow_runs", "CASCADE"),
            "build_jobs_cloud_provider_id_fkey": ("cloud_provider_id", "cloud_providers", "NO ACTION"),
        },
        indexes={
            "idx_build_jobs_workflow": "(workflow_run_id)",
            "idx_build_jobs_status": "(status)",
            "idx_build_jobs_queued": "(queued_at) WHERE status = 'queued'",
            "idx_build_jobs_status_queued": "(status, queued_at) WHERE status = 'queued'",
        },
        column_comments={"artifact_url": "Docker registry URL: registry.internal/proj/env:tag"},
    ),
    "build_logs": TableFacts(
        comment="Real-time build output (streamed via Agent WebSocket)",
        columns={
            "build_job_id": "UUID NOT NULL",
            "timestamp": NOW,
            "stream": "VARCHAR(10) NOT NULL",
            "line": "TEXT NOT NULL",
        },
        checks={"valid_stream": "stream IN ('stdout', 'stderr')"},
        foreign_keys={"build_logs_build_job_id_fkey": ("build_job_id", "build_jobs", "CASCADE")},
        indexes={"idx_build_logs_job": "(build_job_id, timestamp)"},
    ),
    "secrets": TableFacts(
        comment="Encrypted secrets injected into environments",
        columns={
            "project_id": "UUID NOT NULL",
            "key": "VARCHAR(255) NOT NULL",
            "encrypted_value": "TEXT NOT NULL",
            "scope": "VARCHAR(50) NOT NULL DEFAULT 'global'",
            "secret_type": "VARCHAR(20) NOT NULL DEFAULT 'env'",
            "file_path": "TEXT",
            "file_permissions": "VARCHAR(4)",
            "created_by": "UUID",
            "created_at": NOW,
            "updated_at": NOW,
        },
        checks={
            "valid_scope": "scope = 'global' OR scope ~ '^[a-zA-Z0-9_-]+$'",
            "valid_type": "secret_type IN ('env', 'file')",
        },
        uniques={"unique_secret_per_scope": "project_id, key, scope"},
        foreign_keys={
            "secrets_project_id_fkey": ("project_id", "projects", "CASCADE"),
            "secrets_created_by_fkey": ("created_by", "users", "NO ACTION"),
        },
        indexes={"idx_secrets_project": "(project_id)", "idx_secrets_project_scope": "(project_id, scope)"},
        column_comments={
            "scope": '"global" or service name (e.g., "backend", "frontend")',
            "encrypted_value": "AES-256-GCM encrypted",
        },
    ),
    "audit_logs": TableFacts(
        comment="Audit trail for all sensitive operations",
        columns={
            "actor_id": "UUID",
            "actor_email": "VARCHAR(255)",
            "actor_ip": "INET",
            "action": "VARCHAR(100) NOT NULL",
            "resource_type": "VARCHAR(50) NOT NULL",
            "resource_id": "UUID",
            "team_id": "UUID",
            "project_id": "UUID",
            "metadata": "JSONB",
            "timestamp": NOW,
        },
        checks={
            "valid_resource_type": (
                "resource_type IN ('team', 'project', 'environment', 'secret', 'user', 'workflow_run')"
            )
        },
        foreign_keys={
            "audit_logs_actor_id_fkey": ("actor_id", "users", "NO ACTION"),
            "audit_logs_team_id_fkey": ("team_id", "teams", "NO ACTION"),
            "audit_logs_project_id_fkey": ("project_id", "projects", "NO ACTION"),
        },
        indexes={
            "idx_audit_logs_actor": "(actor_id)",
            "idx_audit_logs_resource": "(resource_type, resource_id)",
            "idx_audit_logs_team": "(team_id)",
            "idx_audit_logs_timestamp": "(timestamp DESC)",
            "idx_audit_logs_team_time": "(team_id, timestamp DESC)",
        },
    ),
    "agent_connections": TableFacts(
        comment="Active Agent WebSocket connections (in-memory state persisted)",
        columns={
            "environment_id": "UUID NOT NULL",
            "agent_id": "VARCHAR(100) NOT NULL",
            "token_hash": "VARCHAR(64) NOT NULL",
            "status": "VARCHAR(20) NOT NULL DEFAULT 'connected'",
            "ip_address": "INET",
            "agent_version": "VARCHAR(20)",
            "system_info": "JSONB",
            "connected_at": NOW,
            "last_seen_at": NOW,
            "disconnected_at": "TIMESTAMPTZ",
        },
        checks={"valid_status": "status IN ('connected', 'disconnected')"},
        uniques={"agent_connections_agent_id_key": "agent_id"},
        foreign_keys={"agent_connections_environment_id_fkey": ("environment_id", "environments", "CASCADE")},
        indexes={
            "idx_agent_connections_env": "(environment_id)",
            "idx_agent_connections_last_seen": "(last_seen_at) WHERE status = 'connected'",
        },
    ),
}

UPDATED_AT_TABLES = (
    "teams",
    "users",
    "projects",
    "cloud_providers",
    "environments",
    "workflow_runs",
    "build_jobs",
    "secrets",
)
UPDATED_AT_FUNCTION_COMMENT = "Automatically updates updated_at timestamp on row modification"
