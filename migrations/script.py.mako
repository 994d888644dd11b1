"""${message.replace("_", " ").capitalize()}."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "${up_revision}"
down_revision: str | None = "${down_revision}"


def upgrade() -> None:
    """State what changes, and what happens to existing rows.

    Old code runs against the new schema during a rollout: add first, remove one release later. A statement waits for a
    lock for at most `lock_timeout`. Build indexes of large tables CONCURRENTLY, in an `autocommit_block`.
    """


def downgrade() -> None:
    """State which data the downgrade loses."""
