"""Allow one open environment for each pull request: a failed one is retried in place, not doubled."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "020"
down_revision: str | None = "019"


def upgrade() -> None:
    """Create the index.

    It fails, and changes nothing, while a pull request has two open environments: which VM to take down is not for a
    migration to decide.  Environments without a pull request are not bound.
    """
    op.create_index(
        "unique_open_environment_per_pr",
        "environments",
        ["project_id", "pr_number"],
        unique=True,
        postgresql_where=sa.text("status NOT IN ('terminated', 'reaped')"),
    )


def downgrade() -> None:
    """Drop the index."""
    op.drop_index("unique_open_environment_per_pr", "environments")
