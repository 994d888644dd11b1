"""Require the columns that have a default: NULL meant nothing in them, and every reader had to ask.

Rows that hold NULL get the default.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "025"
down_revision: str | None = "024"

COLUMNS = {
    "teams": ("billing_plan", "max_concurrent_stagelets", "max_concurrent_builds"),
    "users": ("is_active", "email_verified"),
    "projects": ("default_branch", "default_preview_size", "config", "is_active"),
    "cloud_providers": ("config", "is_active"),
    "environments": ("vm_status", "estimated_cost_usd"),
    "build_jobs": ("queued_at",),
}


def upgrade() -> None:
    """Fill in the defaults, and refuse NULL from then on."""
    for table, columns in COLUMNS.items():
        for column in columns:
            missing = sa.table(table, sa.column(column))
            op.execute(missing.update().where(missing.c[column].is_(None)).values({column: sa.text("DEFAULT")}))
            op.alter_column(table, column, nullable=False)


def downgrade() -> None:
    """Allow NULL again."""
    for table, columns in COLUMNS.items():
        for column in columns:
            op.alter_column(table, column, nullable=True)
