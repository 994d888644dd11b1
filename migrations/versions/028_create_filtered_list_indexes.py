"""Create indexes for filtered lists, newest first: environments by status and branch, audit entries by resource.

They are built CONCURRENTLY, outside a transaction, so that writers are not blocked. An interrupted build leaves an
invalid index. The next run drops it and builds it again.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "028"
down_revision: str | None = "027"

INDEXES = {
    "idx_environments_status_list": "environments (status, created_at DESC, id DESC)",
    "idx_environments_project_status_list": "environments (project_id, status, created_at DESC, id DESC)",
    "idx_environments_branch_list": "environments (project_id, branch_name, created_at DESC, id DESC)",
    "idx_audit_logs_resource_list": "audit_logs (resource_id, timestamp DESC, id DESC) WHERE resource_id IS NOT NULL",
    "idx_audit_logs_resource_type_list": "audit_logs (resource_type, timestamp DESC, id DESC)",
    "idx_audit_logs_no_team_list": "audit_logs (timestamp DESC, id DESC) WHERE team_id IS NULL",
}


def upgrade() -> None:
    """Create the missing indexes."""
    with op.get_context().autocommit_block():
        for name, definition in INDEXES.items():
            if _is_half_built(name):
                op.execute(f"DROP INDEX CONCURRENTLY {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {definition}")


def downgrade() -> None:
    """Drop the indexes."""
    with op.get_context().autocommit_block():
        for name in INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


def _is_half_built(name: str) -> bool:
    half_built = sa.text("SELECT FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid")
    return op.get_bind().execute(half_built, {"name": name}).first() is not None
