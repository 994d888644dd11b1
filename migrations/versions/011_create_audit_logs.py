"""Create audit_logs, the audit log of sensitive operations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "011"
down_revision: str | None = "010"


def upgrade() -> None:
    """Create the table with its indexes."""
    op.create_table(
        "audit_logs",
        sa.Column("id", sa.Uuid(), primary_key=True, server_default=sa.func.gen_random_uuid()),
        sa.Column("actor_id", sa.Uuid(), sa.ForeignKey("users.id")),
        sa.Column("actor_email", sa.String(255)),
        sa.Column("actor_ip", postgresql.INET()),
        sa.Column("action", sa.String(100), nullable=False),
        sa.Column("resource_type", sa.String(50), nullable=False),
        sa.Column("resource_id", sa.Uuid()),
        sa.Column("team_id", sa.Uuid(), sa.ForeignKey("teams.id")),
        sa.Column("project_id", sa.Uuid(), sa.ForeignKey("projects.id")),
        sa.Column("metadata", postgresql.JSONB()),
        sa.Column("timestamp", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.CheckConstraint(
            "resource_type IN ('team', 'project', 'environment', 'secret', 'user', 'workflow_run')",
            name="valid_resource_type",
        ),
        comment="Audit trail for all sensitive operations",
    )
    op.create_index("idx_audit_logs_actor", "audit_logs", ["actor_id"])
    op.create_index("idx_audit_logs_resource", "audit_logs", ["resource_type", "resource_id"])
    op.create_index("idx_audit_logs_team", "audit_logs", ["team_id"])
    op.create_index("idx_audit_logs_timestamp", "audit_logs", [sa.text("timestamp DESC")])


def downgrade() -> None:
    """Drop the table and its rows."""
    op.drop_table("audit_logs")
