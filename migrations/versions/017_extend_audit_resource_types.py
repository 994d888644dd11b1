"""Let audit_logs name every kind of resource: cloud providers, build jobs, agents and keys too."""

from __future__ import annotations

from alembic import op

revision: str = "017"
down_revision: str | None = "016"

OLD_TYPES = ("team", "project", "environment", "secret", "user", "workflow_run")
NEW_TYPES = (*OLD_TYPES, "cloud_provider", "build_job", "agent", "key")


def upgrade() -> None:
    """Widen the check; the trail may be long, so its rows are checked without a lock that stops writers."""
    _replace_check(NEW_TYPES)
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE audit_logs VALIDATE CONSTRAINT valid_resource_type")


def downgrade() -> None:
    """Narrow the check, NOT VALID: rows of the newer types can be neither changed nor deleted, so they stay."""
    _replace_check(OLD_TYPES)


def _replace_check(types: tuple[str, ...]) -> None:
    listed = ", ".join(f"'{type_}'" for type_ in types)
    op.execute(
        "ALTER TABLE audit_logs DROP CONSTRAINT valid_resource_type,"
        f" ADD CONSTRAINT valid_resource_type CHECK (resource_type IN ({listed})) NOT VALID"
    )
