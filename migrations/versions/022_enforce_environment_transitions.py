"""Enforce the state machine of environments in the database, also for writers other than the service."""

from __future__ import annotations

from alembic import op

revision: str = "022"
down_revision: str | None = "021"


def upgrade() -> None:
    """Create a trigger that refuses every status change that is not listed. terminated and reaped are final.

    The error is a check_violation (23514) of the constraint `environment_status_transition`.
    """
    op.execute("""
        CREATE FUNCTION check_environment_status_transition() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF (OLD.status, NEW.status) IN (
                ('pending', 'building'),
                ('building', 'deploying'),
                ('deploying', 'ready'),
                ('ready', 'building'),
                ('ready', 'deploying'),
                ('failed', 'building')
            )
            OR (OLD.status IN ('pending', 'building', 'deploying', 'ready') AND NEW.status = 'failed')
            OR (OLD.status NOT IN ('terminated', 'reaped') AND NEW.status IN ('terminated', 'reaped'))
            THEN
                RETURN NEW;
            END IF;
            RAISE EXCEPTION USING
                ERRCODE = 'check_violation',
                MESSAGE = format('environment status cannot change from %s to %s', OLD.status, NEW.status),
                SCHEMA = TG_TABLE_SCHEMA,
                TABLE = TG_TABLE_NAME,
                CONSTRAINT = 'environment_status_transition';
        END;
        $$
    """)
    op.execute(
        "COMMENT ON FUNCTION check_environment_status_transition() IS"
        " 'Refuses changes of environments.status that the state machine does not have'"
    )
    op.execute(
        "CREATE TRIGGER check_environments_status_transition BEFORE UPDATE OF status ON environments"
        " FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)"
        " EXECUTE FUNCTION check_environment_status_transition()"
    )


def downgrade() -> None:
    """Drop the trigger, then its function."""
    op.execute("DROP TRIGGER check_environments_status_transition ON environments")
    op.execute("DROP FUNCTION check_environment_status_transition()")
