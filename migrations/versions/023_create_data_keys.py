"""Create data_keys, the encrypted data keys of teams."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "023"
down_revision: str | None = "022"


def upgrade() -> None:
    """Create the table with its indexes."""
    op.create_table(
        "data_keys",
        sa.Column("id", sa.Uuid(), primary_key=True, server_default=sa.func.gen_random_uuid()),
        sa.Column("team_id", sa.Uuid(), sa.ForeignKey("teams.id", ondelete="CASCADE"), nullable=False),
        sa.Column(
            "key_encryption_key_id",
            sa.String(32),
            nullable=False,
            comment="Which key-encryption key encrypts wrapped_key",
        ),
        sa.Column(
            "wrapped_key",
            sa.Text(),
            nullable=False,
            comment="The data key, AES-256-GCM encrypted by the key-encryption key",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column(
            "retired_at",
            sa.DateTime(timezone=True),
            comment="Since when it encrypts nothing new; it still decrypts what it encrypted",
        ),
        comment="AES-256-GCM data keys, one active per team, each encrypted by the key-encryption key",
    )
    op.create_index(
        "unique_active_data_key_per_team",
        "data_keys",
        ["team_id"],
        unique=True,
        postgresql_where=sa.text("retired_at IS NULL"),
    )
    op.create_index("idx_data_keys_team", "data_keys", ["team_id"])
    op.create_index("idx_data_keys_key_encryption_key", "data_keys", ["key_encryption_key_id"])


def downgrade() -> None:
    """Drop the table. Everything that its keys encrypted becomes unreadable: take a backup first."""
    op.drop_table("data_keys")
