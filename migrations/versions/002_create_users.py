"""Create users: the accounts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "002"
down_revision: str | None = "001"


def upgrade() -> None:
    """Create the table with its indexes."""
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), primary_key=True, server_default=sa.func.gen_random_uuid()),
        sa.Column("email", sa.String(255), nullable=False, unique=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("avatar_url", sa.Text()),
        sa.Column("github_id", sa.String(100), unique=True),
        sa.Column("google_id", sa.String(100), unique=True),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true")),
        sa.Column("email_verified", sa.Boolean(), server_default=sa.text("false")),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("last_login_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(r"email ~ '^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Z|a-z]{2,}$'", name="valid_email"),
        comment="User accounts (authentication via OAuth)",
    )
    op.create_index("idx_users_email", "users", ["email"])
    op.create_index("idx_users_github", "users", ["github_id"])
    op.create_index("idx_users_google", "users", ["google_id"])


def downgrade() -> None:
    """Drop the table and its rows."""
    op.drop_table("users")
