"""Alembic runs this script for every command. `db.schema.migrations` passes the connection and the callbacks."""

from __future__ import annotations

from alembic import context

from stagely_rpc.db.models import Base

context.configure(
    target_metadata=Base.metadata,
    transaction_per_migration=True,
    compare_type=True,
    compare_server_default=True,
    **context.config.attributes,
)
with context.begin_transaction():
    context.run_migrations()
