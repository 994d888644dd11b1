"""Create team_members, the users' roles in teams."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "003"
down_revision: str | None = "002"


def upgrade() -> None:
    """Create the table with its indexes."""
    op.create_table(
        "team_members",
        sa.Column("id", sa.Uuid(), primary_key=True, server_default=sa.func.gen_random_uuid()),
        sa.Column("team_id", sa.Uuid(), sa.ForeignKey("teams.id", ondelete="CASCADE"), nullable=False),
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column(
            "role",
            sa.String(50),
            nullable=False,
            server_default="member",
            comment="owner=full control, admin=manage, member=create, viewer=read-only",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.UniqueConstraint("team_id", "user_id", name="unique_team_user"),
        sa.CheckConstraint("role IN ('owner', 'admin', 'member', 'viewer')", name="valid_role"),
        comment="User membership in teams with role-based access control",
    )
    op.create_index("idx_team_members_team", "team_members", ["team_id"])
    op.create_index("idx_team_members_user", "team_members", ["user_id"])


def downgrade() -> None:
    """Drop the table and its rows."""
    op.drop_table("team_members")
