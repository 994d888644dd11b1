"""Allow more resource types in audit_logs: cloud providers, build jobs, agents and keys."""

from __future__ import annotations

from alembic import op

revision: str = "017"
down_revision: str | None = "016"

OLD_TYPES = ("team", "project", "environment", "secret", "user", "workflow_run")
NEW_TYPES = (*OLD_TYPES, "cloud_provider", "build_job", "agent", "key")


def upgrade() -> None:
    """Widen the check. It is validated without a lock that blocks writers, because the audit log may be long."""
    _replace_check(NEW_TYPES)
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE audit_logs VALIDATE CONSTRAINT valid_resource_type")


def downgrade() -> None:
    """Narrow the check as NOT VALID. Rows of the newer types stay, because audit_logs is append-only."""
    _replace_check(OLD_TYPES)


def _replace_check(types: tuple[str, ...]) -> None:
    listed = ", ".join(f"'{type_}'" for type_ in types)
    op.execute(
        "ALTER TABLE audit_logs DROP CONSTRAINT valid_resource_type,"
        f" ADD CONSTRAINT valid_resource_type CHECK (resource_type IN ({listed})) NOT VALID"
    )
