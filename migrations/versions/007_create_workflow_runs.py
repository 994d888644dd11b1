"""Create workflow_runs, the runs of the build, deploy and test pipeline."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "007"
down_revision: str | None = "006"


def upgrade() -> None:
    """Create the table with its indexes."""
    op.create_table(
        "workflow_runs",
        sa.Column("id", sa.Uuid(), primary_key=True, server_default=sa.func.gen_random_uuid()),
        sa.Column("environment_id", sa.Uuid(), sa.ForeignKey("environments.id", ondelete="CASCADE"), nullable=False),
        sa.Column("trigger", sa.String(50), nullable=False),
        sa.Column("triggered_by", sa.Uuid(), sa.ForeignKey("users.id")),
        sa.Column("status", sa.String(20), nullable=False, server_default="pending"),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("completed_at", sa.DateTime(timezone=True)),
        sa.Column("duration_seconds", sa.Integer()),
        sa.Column("result", sa.String(20)),
        sa.Column("error_message", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.CheckConstraint(
            "trigger IN ('pr_opened', 'pr_synchronized', 'manual_rebuild', 'secret_updated')", name="valid_trigger"
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'building', 'deploying', 'testing', 'completed', 'failed', 'cancelled')",
            name="valid_status",
        ),
        sa.CheckConstraint("result IN ('success', 'failure', 'cancelled') OR result IS NULL", name="valid_result"),
        comment="Build/deploy/test pipeline execution tracking",
    )
    op.create_index("idx_workflow_runs_env", "workflow_runs", ["environment_id"])
    op.create_index("idx_workflow_runs_status", "workflow_runs", ["status"])
    op.create_index("idx_workflow_runs_created", "workflow_runs", [sa.text("created_at DESC")])


def downgrade() -> None:
    """Drop the table and its rows."""
    op.drop_table("workflow_runs")
