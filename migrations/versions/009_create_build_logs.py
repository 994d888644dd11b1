"""Create build_logs, the output lines of build jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "009"
down_revision: str | None = "008"


def upgrade() -> None:
    """Create the table with its indexes."""
    op.create_table(
        "build_logs",
        sa.Column("id", sa.Uuid(), primary_key=True, server_default=sa.func.gen_random_uuid()),
        sa.Column("build_job_id", sa.Uuid(), sa.ForeignKey("build_jobs.id", ondelete="CASCADE"), nullable=False),
        sa.Column("timestamp", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("stream", sa.String(10), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.CheckConstraint("stream IN ('stdout', 'stderr')", name="valid_stream"),
        comment="Real-time build output (streamed via Agent WebSocket)",
    )
    op.create_index("idx_build_logs_job", "build_logs", ["build_job_id", "timestamp"])


def downgrade() -> None:
    """Drop the table and its rows."""
    op.drop_table("build_logs")
