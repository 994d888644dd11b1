"""Create composite indexes for the most frequent queries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "013"
down_revision: str | None = "012"


def upgrade() -> None:
    """Create the indexes. This blocks no one, because the revisions before have just created the tables."""
    op.create_index(
        "idx_environments_project_status",
        "environments",
        ["project_id", "status"],
        postgresql_where=sa.text("status IN ('ready', 'deploying')"),
    )
    op.create_index(
        "idx_build_jobs_status_queued",
        "build_jobs",
        ["status", "queued_at"],
        postgresql_where=sa.text("status = 'queued'"),
    )
    op.create_index(
        "idx_environments_pr_lookup",
        "environments",
        ["project_id", "pr_number"],
        postgresql_where=sa.text("terminated_at IS NULL"),
    )
    op.create_index("idx_team_members_composite", "team_members", ["user_id", "team_id", "role"])
    op.create_index("idx_audit_logs_team_time", "audit_logs", ["team_id", sa.text("timestamp DESC")])


def downgrade() -> None:
    """Drop the indexes."""
    op.drop_index("idx_audit_logs_team_time", "audit_logs")
    op.drop_index("idx_team_members_composite", "team_members")
    op.drop_index("idx_environments_pr_lookup", "environments")
    op.drop_index("idx_build_jobs_status_queued", "build_jobs")
    op.drop_index("idx_environments_project_status", "environments")
