"""Add `row_version`, a counter of writes, to every table that callers change. Etags are derived from it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "021"
down_revision: str | None = "020"

TABLES = (
    "teams",
    "users",
    "team_members",
    "projects",
    "cloud_providers",
    "environments",
    "workflow_runs",
    "build_jobs",
    "secrets",
)


def upgrade() -> None:
    """Add the column, which is 1 in existing rows, and the trigger that increments it."""
    op.execute("""
        CREATE FUNCTION bump_row_version() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.row_version = OLD.row_version + 1;
            RETURN NEW;
        END;
        $$
    """)
    op.execute("COMMENT ON FUNCTION bump_row_version() IS 'Raises row_version by one on row modification'")
    for table in TABLES:
        op.add_column(table, _row_version())
        op.execute(
            f"CREATE TRIGGER bump_{table}_row_version BEFORE UPDATE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION bump_row_version()"
        )


def downgrade() -> None:
    """Drop the triggers, the function and the column. The versions are lost, so clients must discard their etags."""
    for table in TABLES:
        op.execute(f"DROP TRIGGER bump_{table}_row_version ON {table}")
        op.drop_column(table, "row_version")
    op.execute("DROP FUNCTION bump_row_version()")


def _row_version() -> sa.Column[int]:
    return sa.Column(
        "row_version",
        sa.BigInteger(),
        nullable=False,
        server_default=sa.text("1"),
        comment="Counts the writes of this row, 1 when it is new; a trigger raises it, etags are made of it",
    )
