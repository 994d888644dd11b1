"""Make the columns with a default NOT NULL. NULL had no meaning in them, but every reader had to handle it.

Existing NULLs become the default.
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
    """Replace NULL by the default, and set NOT NULL."""
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
