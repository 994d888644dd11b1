"""Create environments, the preview environments of pull requests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "006"
down_revision: str | None = "005"


def upgrade() -> None:
    """Create the table with its indexes."""
    op.create_table(
        "environments",
        sa.Column("id", sa.Uuid(), primary_key=True, server_default=sa.func.gen_random_uuid()),
        sa.Column("project_id", sa.Uuid(), sa.ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
        sa.Column("pr_number", sa.Integer()),
        sa.Column("branch_name", sa.String(255), nullable=False),
        sa.Column("commit_hash", sa.String(40), nullable=False),
        sa.Column(
            "subdomain_hash",
            sa.String(50),
            nullable=False,
            unique=True,
            comment="NanoID for URL: https://{hash}.stagely.dev",
        ),
        sa.Column("vm_id", sa.String(255)),
        sa.Column("vm_ip", postgresql.INET()),
        sa.Column("vm_status", sa.String(20), server_default="pending"),
        sa.Column("status", sa.String(20), nullable=False, server_default="pending"),
        sa.Column("deployed_at", sa.DateTime(timezone=True)),
        sa.Column(
            "last_heartbeat_at", sa.DateTime(timezone=True), comment="Agent heartbeat timestamp (used by Reaper)"
        ),
        sa.Column("terminated_at", sa.DateTime(timezone=True)),
        sa.Column("estimated_cost_usd", sa.Numeric(10, 4), server_default=sa.text("0.0")),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.CheckConstraint(
            "vm_status IN ('pending', 'provisioning', 'running', 'stopped', 'terminated')", name="valid_vm_status"
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'building', 'deploying', 'ready', 'failed', 'terminated', 'reaped')",
            name="valid_status",
        ),
        comment="Ephemeral preview environments (one per PR)",
    )
    op.create_index("idx_environments_project", "environments", ["project_id"])
    op.create_index("idx_environments_pr", "environments", ["project_id", "pr_number"])
    op.create_index("idx_environments_hash", "environments", ["subdomain_hash"])
    op.create_index("idx_environments_status", "environments", ["status"])
    op.create_index(
        "idx_environments_heartbeat",
        "environments",
        ["last_heartbeat_at"],
        postgresql_where=sa.text("status = 'ready'"),
    )


def downgrade() -> None:
    """Drop the table and its rows."""
    op.drop_table("environments")
