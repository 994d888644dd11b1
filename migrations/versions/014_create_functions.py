"""Create the trigger function that sets `updated_at`, and a trigger on each table with that column."""

from __future__ import annotations

from alembic import op

revision: str = "014"
down_revision: str | None = "013"

TABLES = (
    "teams",
    "users",
    "projects",
    "cloud_providers",
    "environments",
    "workflow_runs",
    "build_jobs",
    "secrets",
)


def upgrade() -> None:
    """Create the function and the triggers."""
    op.execute("""
        CREATE FUNCTION update_updated_at_column() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.updated_at = NOW();
            RETURN NEW;
        END;
        $$
    """)
    op.execute(
        "COMMENT ON FUNCTION update_updated_at_column() IS"
        " 'Automatically updates updated_at timestamp on row modification'"
    )
    for table in TABLES:
        op.execute(
            f"CREATE TRIGGER update_{table}_updated_at BEFORE UPDATE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION update_updated_at_column()"
        )


def downgrade() -> None:
    """Drop the triggers, then the function."""
    for table in TABLES:
        op.execute(f"DROP TRIGGER update_{table}_updated_at ON {table}")
    op.execute("DROP FUNCTION update_updated_at_column()")
