"""Create build_jobs, the image builds of a workflow run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "008"
down_revision: str | None = "007"


def upgrade() -> None:
    """Create the table with its indexes."""
    op.create_table(
        "build_jobs",
        sa.Column("id", sa.Uuid(), primary_key=True, server_default=sa.func.gen_random_uuid()),
        sa.Column("workflow_run_id", sa.Uuid(), sa.ForeignKey("workflow_runs.id", ondelete="CASCADE"), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("architecture", sa.String(20), nullable=False),
        sa.Column("context_path", sa.String(500)),
        sa.Column("dockerfile_path", sa.String(500)),
        sa.Column("vm_id", sa.String(255)),
        sa.Column("cloud_provider_id", sa.Uuid(), sa.ForeignKey("cloud_providers.id")),
        sa.Column("machine_size", sa.String(20)),
        sa.Column("status", sa.String(20), nullable=False, server_default="queued"),
        sa.Column("queued_at", sa.DateTime(timezone=True), server_default=sa.func.now()),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("completed_at", sa.DateTime(timezone=True)),
        sa.Column("duration_seconds", sa.Integer()),
        sa.Column("artifact_url", sa.Text(), comment="Docker registry URL: registry.internal/proj/env:tag"),
        sa.Column("exit_code", sa.Integer()),
        sa.Column("error_message", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.CheckConstraint("architecture IN ('amd64', 'arm64', 'multi')", name="valid_architecture"),
        sa.CheckConstraint(
            "status IN ('queued', 'provisioning', 'running', 'completed', 'failed', 'cancelled')", name="valid_status"
        ),
        comment="Individual build tasks (one per build target per architecture)",
    )
    op.create_index("idx_build_jobs_workflow", "build_jobs", ["workflow_run_id"])
    op.create_index("idx_build_jobs_status", "build_jobs", ["status"])
    op.create_index("idx_build_jobs_queued", "build_jobs", ["queued_at"], postgresql_where=sa.text("status = 'queued'"))


def downgrade() -> None:
    """Drop the table and its rows."""
    op.drop_table("build_jobs")
