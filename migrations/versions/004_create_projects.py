"""Create projects, the git repositories of teams. Revision 005 adds the foreign key of `cloud_provider_id`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "004"
down_revision: str | None = "003"


def upgrade() -> None:
    """Create the table with its indexes."""
    op.create_table(
        "projects",
        sa.Column("id", sa.Uuid(), primary_key=True, server_default=sa.func.gen_random_uuid()),
        sa.Column("team_id", sa.Uuid(), sa.ForeignKey("teams.id", ondelete="CASCADE"), nullable=False),
        sa.Column("slug", sa.String(100), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("repo_url", sa.Text(), nullable=False),
        sa.Column("repo_provider", sa.String(50), nullable=False, server_default="github"),
        sa.Column("default_branch", sa.String(100), server_default="main"),
        sa.Column("cloud_provider_id", sa.Uuid()),
        sa.Column("default_preview_size", sa.String(20), server_default="medium"),
        sa.Column(
            "config", postgresql.JSONB(), server_default=sa.text("'{}'"), comment="Project-specific settings (JSON)"
        ),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true")),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.UniqueConstraint("team_id", "slug", name="unique_project_slug"),
        sa.CheckConstraint("slug ~ '^[a-z0-9][a-z0-9-]*[a-z0-9]$'", name="valid_slug"),
        sa.CheckConstraint("repo_provider IN ('github', 'gitlab', 'bitbucket')", name="valid_provider"),
        sa.CheckConstraint("default_preview_size IN ('small', 'medium', 'large', 'xlarge')", name="valid_size"),
        comment="Git repositories configured for preview environments",
    )
    op.create_index("idx_projects_team", "projects", ["team_id"])
    op.create_index("idx_projects_slug", "projects", ["team_id", "slug"])
    op.create_index("idx_projects_repo", "projects", ["repo_url"])


def downgrade() -> None:
    """Drop the table and its rows."""
    op.drop_table("projects")
