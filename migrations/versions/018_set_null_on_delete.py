"""Let users and cloud providers be deleted: references to them become NULL (ON DELETE SET NULL)."""

from __future__ import annotations

from alembic import op

revision: str = "018"
down_revision: str | None = "017"

REFERENCES = (
    ("secrets", "created_by", "users"),
    ("workflow_runs", "triggered_by", "users"),
    ("build_jobs", "cloud_provider_id", "cloud_providers"),
)


def upgrade() -> None:
    """Replace three foreign keys with keys of the same names that set NULL."""
    _replace_keys("SET NULL")


def downgrade() -> None:
    """Replace them with keys that refuse the delete. Values that are NULL stay NULL."""
    _replace_keys(None)


def _replace_keys(ondelete: str | None) -> None:
    for table, column, referenced in REFERENCES:
        name = f"{table}_{column}_fkey"
        op.drop_constraint(name, table, type_="foreignkey")
        op.create_foreign_key(name, table, referenced, [column], ["id"], ondelete=ondelete)
