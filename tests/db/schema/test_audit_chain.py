from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import errors

from stagely_rpc.db.schema import migrations
from tests.support.schema.catalog import of_table, tables_of
from tests.support.schema.rows import make_row, value_of

if TYPE_CHECKING:
    from collections.abc import Callable

NEWER_RESOURCE_TYPES = ("team_member", "access", "audit_log")


def test_existing_entries_are_queued(database_at: Callable[[str], str]) -> None:
    url = database_at("025")
    with psycopg.connect(url, autocommit=True) as connection:
        ids = {make_row(connection, "audit_logs") for _ in range(3)}
        migrations.upgrade(url, "026")

        queued = connection.execute("SELECT audit_log_id FROM audit_unsealed JOIN audit_logs USING (timestamp)")
        assert {row_id for (row_id,) in queued} == ids


def test_denials_and_members_can_be_audited(database_at: Callable[[str], str]) -> None:
    url = database_at("025")
    with psycopg.connect(url, autocommit=True) as connection:
        for resource_type in NEWER_RESOURCE_TYPES:
            with pytest.raises(errors.CheckViolation):
                make_row(connection, "audit_logs", resource_type=resource_type)
        migrations.upgrade(url, "026")
        for resource_type in NEWER_RESOURCE_TYPES:
            make_row(connection, "audit_logs", resource_type=resource_type)

        migrations.downgrade(url, "025")
        assert value_of(connection, b"SELECT count(*) FROM audit_logs") == len(NEWER_RESOURCE_TYPES)
        with pytest.raises(errors.CheckViolation):
            make_row(connection, "audit_logs", resource_type="access")


def test_interrupted_upgrade_can_be_repeated(database_at: Callable[[str], str], database_url: str) -> None:
    url = database_at("025")
    with psycopg.connect(url, autocommit=True) as connection, psycopg.connect(database_url) as other:
        connection.execute("ALTER TABLE audit_logs ADD COLUMN actor_service VARCHAR(255)")
        connection.execute("CREATE INDEX idx_audit_logs_list ON audit_logs (timestamp DESC, id DESC)")
        # A concurrent build that fails leaves an invalid index.
        for _ in range(2):
            make_row(connection, "audit_logs")
        with pytest.raises(errors.UniqueViolation):
            connection.execute("CREATE UNIQUE INDEX CONCURRENTLY idx_audit_logs_action_list ON audit_logs (action)")
        migrations.upgrade(url)

        comment = {"column audit_logs.actor_service": "a repeated upgrade does not add the comment"}
        assert of_table(tables_of(connection), "audit_logs") | comment == (
            of_table(tables_of(other), "audit_logs") | comment
        )
