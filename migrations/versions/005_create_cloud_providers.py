"""Create cloud_providers, the teams' own cloud accounts, and the foreign key of projects."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "005"
down_revision: str | None = "004"


def upgrade() -> None:
    """Create the table with its index, and the foreign key of projects."""
    op.create_table(
        "cloud_providers",
        sa.Column("id", sa.Uuid(), primary_key=True, server_default=sa.func.gen_random_uuid()),
        sa.Column("team_id", sa.Uuid(), sa.ForeignKey("teams.id", ondelete="CASCADE"), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("provider_type", sa.String(50), nullable=False),
        sa.Column(
            "encrypted_credentials", sa.Text(), nullable=False, comment="AES-256-GCM encrypted JSON of API keys/tokens"
        ),
        sa.Column("region", sa.String(50)),
        sa.Column("config", postgresql.JSONB(), server_default=sa.text("'{}'")),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true")),
        sa.Column("last_validated_at", sa.DateTime(timezone=True)),
        sa.Column("validation_error", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.UniqueConstraint("team_id", "name", name="unique_provider_name"),
        sa.CheckConstraint(
            "provider_type IN ('aws', 'gcp', 'digitalocean', 'hetzner', 'linode')", name="valid_provider"
        ),
        comment="User-managed cloud provider credentials (BYO Cloud model)",
    )
    op.create_index("idx_cloud_providers_team", "cloud_providers", ["team_id"])
    op.create_foreign_key(
        "fk_projects_cloud_provider", "projects", "cloud_providers", ["cloud_provider_id"], ["id"], ondelete="SET NULL"
    )


def downgrade() -> None:
    """Drop the table and its rows. The `cloud_provider_id` of every project becomes NULL."""
    op.execute("UPDATE projects SET cloud_provider_id = NULL WHERE cloud_provider_id IS NOT NULL")
    op.drop_constraint("fk_projects_cloud_provider", "projects", type_="foreignkey")
    op.drop_table("cloud_providers")
