"""Make audit_logs tamper-evident: add the caller, the queue of unsealed entries, and a chain of seals per team.

Existing entries are queued too. No earlier version of the service writes entries, so none is missed during a rollout.
An interrupted run can be repeated: every step before the last is idempotent, and the last is one transaction.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "026"
down_revision: str | None = "025"

OLD_TYPES = (
    "team",
    "project",
    "environment",
    "secret",
    "user",
    "workflow_run",
    "cloud_provider",
    "build_job",
    "agent",
    "key",
)
NEW_TYPES = (*OLD_TYPES, "team_member", "access", "audit_log")

INDEXES = {
    "idx_audit_logs_list": "(timestamp DESC, id DESC)",
    "idx_audit_logs_team_list": "(team_id, timestamp DESC, id DESC)",
    "idx_audit_logs_project_list": "(project_id, timestamp DESC, id DESC) WHERE project_id IS NOT NULL",
    "idx_audit_logs_actor_list": "(actor_id, timestamp DESC, id DESC) WHERE actor_id IS NOT NULL",
    "idx_audit_logs_actor_service_list": "(actor_service, timestamp DESC, id DESC) WHERE actor_service IS NOT NULL",
    "idx_audit_logs_action_list": "(action, timestamp DESC, id DESC)",
    "idx_audit_logs_request": "(request_id) WHERE request_id IS NOT NULL",
}


def upgrade() -> None:
    """Add the columns, widen the check and build the indexes without blocking writers. Then create the tables."""
    _add_column("actor_service", sa.String(255), "Identity of the calling service")
    _add_column("request_id", sa.String(128), "The x-request-id of the call")
    _replace_check(NEW_TYPES)
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE audit_logs VALIDATE CONSTRAINT valid_resource_type")
        for name, definition in INDEXES.items():
            if _is_half_built(name):
                op.execute(f"DROP INDEX CONCURRENTLY {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON audit_logs {definition}")
    _create_queue()
    _create_seals()
    _create_heads()


def downgrade() -> None:
    """Drop the additions. The seals and the callers are lost. Rows of the newer types stay."""
    with op.get_context().autocommit_block():
        for name in INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    op.drop_table("audit_chain_heads")
    op.drop_table("audit_seals")
    op.execute("DROP FUNCTION refuse_audit_seal_change()")
    op.drop_table("audit_unsealed")
    _replace_check(OLD_TYPES)
    op.drop_column("audit_logs", "request_id")
    op.drop_column("audit_logs", "actor_service")


def _add_column(name: str, type_: sa.String, comment: str) -> None:
    op.add_column("audit_logs", sa.Column(name, type_, comment=comment), if_not_exists=True)


def _replace_check(types: tuple[str, ...]) -> None:
    listed = ", ".join(f"'{type_}'" for type_ in types)
    op.execute(
        "ALTER TABLE audit_logs DROP CONSTRAINT valid_resource_type,"
        f" ADD CONSTRAINT valid_resource_type CHECK (resource_type IN ({listed})) NOT VALID"
    )


def _is_half_built(name: str) -> bool:
    half_built = sa.text("SELECT FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid")
    return op.get_bind().execute(half_built, {"name": name}).first() is not None


def _create_queue() -> None:
    op.create_table(
        "audit_unsealed",
        sa.Column("timestamp", sa.DateTime(timezone=True), primary_key=True, comment="Of the row"),
        sa.Column("audit_log_id", sa.Uuid(), primary_key=True),
        comment="The queue of audit_logs' rows that have no seal yet, oldest first",
    )
    op.execute("INSERT INTO audit_unsealed (timestamp, audit_log_id) SELECT timestamp, id FROM audit_logs")


def _create_seals() -> None:
    op.create_table(
        "audit_seals",
        sa.Column(
            "chain",
            sa.Uuid(),
            primary_key=True,
            comment="Whose rows the chain is of: a team's id, or the nil UUID for rows of no team",
        ),
        sa.Column("position", sa.BigInteger(), primary_key=True, autoincrement=False, comment="From 1, without a gap"),
        sa.Column("audit_log_id", sa.Uuid(), nullable=False, unique=True),
        sa.Column("row_hash", sa.LargeBinary(), nullable=False, comment="HMAC-SHA-256 of the row as it was sealed"),
        sa.Column(
            "hash",
            sa.LargeBinary(),
            nullable=False,
            comment="HMAC-SHA-256 of the hash at the position before, the chain, the position and row_hash",
        ),
        sa.CheckConstraint("position > 0", name="valid_position"),
        sa.CheckConstraint("octet_length(row_hash) = 32 AND octet_length(hash) = 32", name="valid_hashes"),
        comment="The hash chain over audit_logs, one chain for each team; append-only",
    )
    op.execute("""
        CREATE FUNCTION refuse_audit_seal_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION USING
                ERRCODE = 'restrict_violation',
                MESSAGE = 'audit_seals is append-only: ' || lower(TG_OP) || ' is refused',
                SCHEMA = TG_TABLE_SCHEMA,
                TABLE = TG_TABLE_NAME,
                CONSTRAINT = 'audit_seals_append_only';
        END;
        $$
    """)
    op.execute("COMMENT ON FUNCTION refuse_audit_seal_change() IS 'Keeps audit_seals append-only'")
    op.execute(
        "CREATE TRIGGER audit_seals_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_seals"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_seal_change()"
    )


def _create_heads() -> None:
    op.create_table(
        "audit_chain_heads",
        sa.Column("chain", sa.Uuid(), primary_key=True),
        sa.Column("position", sa.BigInteger(), nullable=False, comment="Of the chain's last seal"),
        sa.Column("hash", sa.LargeBinary(), nullable=False, comment="Of the chain's last seal"),
        sa.Column("mac", sa.LargeBinary(), nullable=False, comment="HMAC-SHA-256 of the other columns"),
        comment="Where each chain of audit_seals ends, so that a tail that was cut off is noticed",
    )
