"""Create agent_connections, the agents of environments."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "012"
down_revision: str | None = "011"


def upgrade() -> None:
    """Create the table with its indexes."""
    op.create_table(
        "agent_connections",
        sa.Column("id", sa.Uuid(), primary_key=True, server_default=sa.func.gen_random_uuid()),
        sa.Column("environment_id", sa.Uuid(), sa.ForeignKey("environments.id", ondelete="CASCADE"), nullable=False),
        sa.Column("agent_id", sa.String(100), nullable=False, unique=True),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("status", sa.String(20), nullable=False, server_default="connected"),
        sa.Column("ip_address", postgresql.INET()),
        sa.Column("agent_version", sa.String(20)),
        sa.Column("system_info", postgresql.JSONB()),
        sa.Column("connected_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("disconnected_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("status IN ('connected', 'disconnected')", name="valid_status"),
        comment="Active Agent WebSocket connections (in-memory state persisted)",
    )
    op.create_index("idx_agent_connections_env", "agent_connections", ["environment_id"])
    op.create_index(
        "idx_agent_connections_last_seen",
        "agent_connections",
        ["last_seen_at"],
        postgresql_where=sa.text("status = 'connected'"),
    )


def downgrade() -> None:
    """Drop the table and its rows."""
    op.drop_table("agent_connections")
