"""Let audit entries outlive their subjects: drop the foreign keys of audit_logs and keep the ids.

With the keys, a resource with an audit entry could not be deleted.
"""

from __future__ import annotations

from alembic import op

revision: str = "015"
down_revision: str | None = "014"

REFERENCES = {"actor_id": "users", "team_id": "teams", "project_id": "projects"}


def upgrade() -> None:
    """Drop the three foreign keys."""
    for column in REFERENCES:
        op.drop_constraint(f"audit_logs_{column}_fkey", "audit_logs", type_="foreignkey")


def downgrade() -> None:
    """Add the foreign keys as NOT VALID: they apply to new rows. Rows whose subject was deleted keep their ids."""
    for column, table in REFERENCES.items():
        op.create_foreign_key(
            f"audit_logs_{column}_fkey", "audit_logs", table, [column], ["id"], postgresql_not_valid=True
        )
