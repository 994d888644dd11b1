"""Create secrets, the encrypted values of projects."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "010"
down_revision: str | None = "009"


def upgrade() -> None:
    """Create the table with its indexes."""
    op.create_table(
        "secrets",
        sa.Column("id", sa.Uuid(), primary_key=True, server_default=sa.func.gen_random_uuid()),
        sa.Column("project_id", sa.Uuid(), sa.ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("encrypted_value", sa.Text(), nullable=False, comment="AES-256-GCM encrypted"),
        sa.Column(
            "scope",
            sa.String(50),
            nullable=False,
            server_default="global",
            comment='"global" or service name (e.g., "backend", "frontend")',
        ),
        sa.Column("secret_type", sa.String(20), nullable=False, server_default="env"),
        sa.Column("file_path", sa.Text()),
        sa.Column("file_permissions", sa.String(4)),
        sa.Column("created_by", sa.Uuid(), sa.ForeignKey("users.id")),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.UniqueConstraint("project_id", "key", "scope", name="unique_secret_per_scope"),
        sa.CheckConstraint("scope = 'global' OR scope ~ '^[a-zA-Z0-9_-]+$'", name="valid_scope"),
        sa.CheckConstraint("secret_type IN ('env', 'file')", name="valid_type"),
        comment="Encrypted secrets injected into environments",
    )
    op.create_index("idx_secrets_project", "secrets", ["project_id"])
    op.create_index("idx_secrets_project_scope", "secrets", ["project_id", "scope"])


def downgrade() -> None:
    """Drop the table and its rows."""
    op.drop_table("secrets")
