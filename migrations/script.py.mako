"""${message.replace("_", " ").capitalize()}."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "${up_revision}"
down_revision: str | None = "${down_revision}"


def upgrade() -> None:
    """Say what changes, and what happens to the rows there are.

    Old code runs against the new schema during a rollout: add first, remove one release later.  Locks are waited for
    no longer than `lock_timeout`; build indexes of large tables CONCURRENTLY, in an `autocommit_block`.
    """


def downgrade() -> None:
    """Say what of the rows the older schema cannot keep."""
