"""Create idempotency_keys, the stored responses for retried requests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "027"
down_revision: str | None = "026"


def upgrade() -> None:
    """Create the table and the index for finding expired rows."""
    op.create_table(
        "idempotency_keys",
        sa.Column("caller", sa.String(255), comment="Identity of the calling service"),
        sa.Column("request_id", sa.Uuid()),
        sa.Column(
            "sealed_answer",
            sa.LargeBinary(),
            comment="AES-256-GCM of fingerprint and answer; NULL only while the request is worked on",
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("caller", "request_id", name="idempotency_keys_pkey"),
        comment="Requests that were answered, so that a repetition gets the same answer (AIP-155)",
    )
    op.create_index("idx_idempotency_keys_expires", "idempotency_keys", ["expires_at"])


def downgrade() -> None:
    """Drop the table. Retries of earlier requests run again."""
    op.drop_table("idempotency_keys")
