"""Create the indexes for keyset pagination, newest first, and the index for counting live environments.

They are built CONCURRENTLY, outside a transaction, so that writers are not blocked. An interrupted build leaves an
invalid index. The next run drops it and builds it again.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "024"
down_revision: str | None = "023"

INDEXES = {
    "idx_teams_list": "teams (created_at DESC, id DESC)",
    "idx_users_list": "users (created_at DESC, id DESC)",
    "idx_team_members_team_list": "team_members (team_id, created_at DESC, id DESC)",
    "idx_projects_team_list": "projects (team_id, created_at DESC, id DESC)",
    "idx_projects_cloud_provider_list": "projects (cloud_provider_id, created_at DESC, id DESC)",
    "idx_projects_list": "projects (created_at DESC, id DESC)",
    "idx_cloud_providers_team_list": "cloud_providers (team_id, created_at DESC, id DESC)",
    "idx_cloud_providers_list": "cloud_providers (created_at DESC, id DESC)",
    "idx_environments_project_list": "environments (project_id, created_at DESC, id DESC)",
    "idx_environments_list": "environments (created_at DESC, id DESC)",
    "idx_secrets_project_list": "secrets (project_id, created_at DESC, id DESC)",
    "idx_environments_live": (
        "environments (project_id) WHERE status IN ('pending', 'building', 'deploying', 'ready')"
    ),
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
