"""Make audit_logs append-only: the database refuses UPDATE, DELETE and TRUNCATE."""

from __future__ import annotations

from alembic import op

revision: str = "016"
down_revision: str | None = "015"


def upgrade() -> None:
    """Create a statement-level trigger. It refuses a statement even if the statement matches no row.

    The error is a restrict_violation (23001) of the constraint `audit_logs_append_only`.
    """
    op.execute("""
        CREATE FUNCTION refuse_audit_log_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION USING
                ERRCODE = 'restrict_violation',
                MESSAGE = 'audit_logs is append-only: ' || lower(TG_OP) || ' is refused',
                SCHEMA = TG_TABLE_SCHEMA,
                TABLE = TG_TABLE_NAME,
                CONSTRAINT = 'audit_logs_append_only';
        END;
        $$
    """)
    op.execute("COMMENT ON FUNCTION refuse_audit_log_change() IS 'Keeps audit_logs append-only'")
    op.execute(
        "CREATE TRIGGER audit_logs_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_logs"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_log_change()"
    )


def downgrade() -> None:
    """Drop the trigger, then its function."""
    op.execute("DROP TRIGGER audit_logs_append_only ON audit_logs")
    op.execute("DROP FUNCTION refuse_audit_log_change()")
