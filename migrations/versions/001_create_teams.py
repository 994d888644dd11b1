"""Create teams, the tenants."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "001"
down_revision: str | None = None


def upgrade() -> None:
    """Create the table with its indexes."""
    op.create_table(
        "teams",
        sa.Column("id", sa.Uuid(), primary_key=True, server_default=sa.func.gen_random_uuid()),
        sa.Column(
            "slug", sa.String(100), nullable=False, unique=True, comment='URL-safe identifier (e.g., "acme-corp")'
        ),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("billing_email", sa.String(255)),
        sa.Column("billing_plan", sa.String(50), server_default="free"),
        sa.Column(
            "max_concurrent_stagelets",
            sa.Integer(),
            server_default=sa.text("5"),
            comment="Quota: max active preview environments",
        ),
        sa.Column("max_concurrent_builds", sa.Integer(), server_default=sa.text("10")),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("deleted_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("slug ~ '^[a-z0-9][a-z0-9-]*[a-z0-9]$'", name="valid_slug"),
        sa.CheckConstraint("billing_plan IN ('free', 'pro', 'enterprise')", name="valid_plan"),
        comment="Top-level tenant. Users belong to teams.",
    )
    op.create_index("idx_teams_slug", "teams", ["slug"])
    op.create_index("idx_teams_deleted", "teams", ["deleted_at"], postgresql_where=sa.text("deleted_at IS NULL"))


def downgrade() -> None:
    """Drop the table and its rows."""
    op.drop_table("teams")
