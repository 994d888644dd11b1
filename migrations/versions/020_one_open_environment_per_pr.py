"""Allow only one open environment per pull request. A failed environment is retried in place."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "020"
down_revision: str | None = "019"


def upgrade() -> None:
    """Create the index.

    It fails, and changes nothing, if a pull request has two open environments, because a migration cannot decide which
    VM to terminate. The index does not limit environments without a pull request.
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
