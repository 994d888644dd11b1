"""Revisions that repair faults of the planned schema. Each test shows the fault before the revision, and none after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import errors, sql

from stagely_rpc.db.schema import migrations
from stagely_rpc.db.schema.migrations import MigrationError
from tests.support.schema.rows import PARENTS, make_row, row_of, value_of

if TYPE_CHECKING:
    from collections.abc import Callable

AUDIT_LOG_CHANGES = (
    b"UPDATE audit_logs SET action = 'nothing'",
    b"UPDATE audit_logs SET action = 'nothing' WHERE false",
    b"INSERT INTO audit_logs SELECT * FROM audit_logs ON CONFLICT (id) DO UPDATE SET action = 'nothing'",
    b"DELETE FROM audit_logs",
    b"TRUNCATE audit_logs",
)
NEWER_RESOURCE_TYPES = ("cloud_provider", "build_job", "agent", "key")
REFERENCES = (("secrets", "created_by"), ("workflow_runs", "triggered_by"), ("build_jobs", "cloud_provider_id"))
OPEN_STATUSES = ("pending", "building", "deploying", "ready", "failed")


def delete(connection: psycopg.Connection, table: str, row_id: object) -> None:
    connection.execute(sql.SQL("DELETE FROM {} WHERE id = %s").format(sql.Identifier(table)), [row_id])


def only_value(connection: psycopg.Connection, table: str, column: str) -> object:
    select = sql.SQL("SELECT {} FROM {}").format(sql.Identifier(column), sql.Identifier(table))
    return value_of(connection, select)


def test_audited_resource_can_be_deleted_and_the_entry_keeps_its_id(database_at: Callable[[str], str]) -> None:
    url = database_at("014")
    with psycopg.connect(url, autocommit=True) as connection:
        subjects = {column: make_row(connection, table) for column, table in PARENTS["audit_logs"].items()}
        make_row(connection, "audit_logs", **subjects)
        for column, subject_id in subjects.items():
            with pytest.raises(errors.ForeignKeyViolation):
                delete(connection, PARENTS["audit_logs"][column], subject_id)

        assert migrations.upgrade(url, "015") == ["015"]
        for column, subject_id in subjects.items():
            delete(connection, PARENTS["audit_logs"][column], subject_id)
            assert only_value(connection, "audit_logs", column) == subject_id


def test_downgrade_restores_the_foreign_keys_despite_deleted_resources(database_at: Callable[[str], str]) -> None:
    url = database_at("015")
    with psycopg.connect(url, autocommit=True) as connection:
        make_row(connection, "audit_logs")
        connection.execute("DELETE FROM projects")
        assert migrations.downgrade(url) == ["015"]

        gone = only_value(connection, "audit_logs", "project_id")
        with pytest.raises(errors.ForeignKeyViolation):
            make_row(connection, "audit_logs", project_id=gone)


def test_audit_log_is_append_only(database_at: Callable[[str], str]) -> None:
    url = database_at("015")
    with psycopg.connect(url, autocommit=True) as connection:
        for change in AUDIT_LOG_CHANGES:
            make_row(connection, "audit_logs")
            connection.execute(change)
        migrations.upgrade(url, "016")
        make_row(connection, "audit_logs")
        before = connection.execute("SELECT * FROM audit_logs").fetchall()

        for change in AUDIT_LOG_CHANGES:
            with pytest.raises(errors.RestrictViolation, match="audit_logs is append-only") as refused:
                connection.execute(change)
            assert refused.value.diag.constraint_name == "audit_logs_append_only"
        assert connection.execute("SELECT * FROM audit_logs").fetchall() == before


def test_every_resource_type_can_be_audited(database_at: Callable[[str], str]) -> None:
    url = database_at("016")
    with psycopg.connect(url, autocommit=True) as connection:
        for resource_type in NEWER_RESOURCE_TYPES:
            with pytest.raises(errors.CheckViolation):
                make_row(connection, "audit_logs", resource_type=resource_type)
        migrations.upgrade(url, "017")
        for resource_type in NEWER_RESOURCE_TYPES:
            make_row(connection, "audit_logs", resource_type=resource_type)

        with pytest.raises(errors.CheckViolation):
            make_row(connection, "audit_logs", resource_type="spaceship")


def test_entries_of_newer_resource_types_survive_downgrade_and_upgrade(database_at: Callable[[str], str]) -> None:
    url = database_at("017")
    with psycopg.connect(url, autocommit=True) as connection:
        make_row(connection, "audit_logs", resource_type="key")
        migrations.downgrade(url)
        with pytest.raises(errors.CheckViolation):
            make_row(connection, "audit_logs", resource_type="key")
        migrations.upgrade(url)

        assert only_value(connection, "audit_logs", "resource_type") == "key"
    migrations.check(url)


def test_references_to_a_deleted_row_become_null(database_at: Callable[[str], str]) -> None:
    url = database_at("017")
    with psycopg.connect(url, autocommit=True) as connection:
        referenced = {table: make_row(connection, PARENTS[table][column]) for table, column in REFERENCES}
        children = {table: make_row(connection, table, **{column: referenced[table]}) for table, column in REFERENCES}
        for table, column in REFERENCES:
            with pytest.raises(errors.ForeignKeyViolation):
                delete(connection, PARENTS[table][column], referenced[table])

        migrations.upgrade(url, "018")
        for table, column in REFERENCES:
            delete(connection, PARENTS[table][column], referenced[table])
            assert row_of(connection, table, children[table])[column] is None


def test_vertical_bar_in_an_email_is_refused(database_at: Callable[[str], str]) -> None:
    url = database_at("018")
    with psycopg.connect(url, autocommit=True) as connection:
        user_id = make_row(connection, "users", email="ada@example.c|m")
        with pytest.raises(MigrationError, match=r'stopped at 018: .*"valid_email"'):
            migrations.upgrade(url, "019")
        delete(connection, "users", user_id)
        assert migrations.upgrade(url, "019") == ["019"]

        with pytest.raises(errors.CheckViolation) as refused:
            make_row(connection, "users", email="ada@example.c|m")
        assert refused.value.diag.constraint_name == "valid_email"
        make_row(connection, "users", email="Ada.Lovelace+x%y_z-1@sub.Example.COM")


def test_upgrade_fails_while_a_pull_request_has_two_open_environments(database_at: Callable[[str], str]) -> None:
    url = database_at("019")
    with psycopg.connect(url, autocommit=True) as connection:
        project_id = make_row(connection, "projects")
        make_row(connection, "environments", project_id=project_id)
        second = make_row(connection, "environments", project_id=project_id)
        with pytest.raises(MigrationError, match=r'stopped at 019: .*"unique_open_environment_per_pr"'):
            migrations.upgrade(url, "020")
        delete(connection, "environments", second)

        assert migrations.upgrade(url, "020") == ["020"]


@pytest.mark.parametrize("status", OPEN_STATUSES)
def test_second_open_environment_of_a_pull_request_is_refused(status: str, head_connection: psycopg.Connection) -> None:
    project_id = make_row(head_connection, "projects")
    make_row(head_connection, "environments", project_id=project_id, status=status)

    with pytest.raises(errors.UniqueViolation) as refused:
        make_row(head_connection, "environments", project_id=project_id)
    assert refused.value.diag.constraint_name == "unique_open_environment_per_pr"


@pytest.mark.parametrize(
    "other", [{"status": "terminated"}, {"status": "reaped"}, {"pr_number": 8}, {"pr_number": None}]
)
def test_other_environments_are_allowed(other: dict[str, object], head_connection: psycopg.Connection) -> None:
    project_id = make_row(head_connection, "projects")
    make_row(head_connection, "environments", project_id=project_id)
    for _ in range(1 if other.get("pr_number") else 2):
        make_row(head_connection, "environments", project_id=project_id, **other)


def test_pull_requests_of_two_projects_may_have_the_same_number(head_connection: psycopg.Connection) -> None:
    first, second = (make_row(head_connection, "environments", pr_number=8) for _ in range(2))

    assert first != second


def test_team_has_at_most_one_active_data_key(head_connection: psycopg.Connection) -> None:
    team_id = make_row(head_connection, "teams")
    insert = (
        "INSERT INTO data_keys (team_id, key_encryption_key_id, wrapped_key, retired_at) VALUES (%s, 'k1', 'w', %s)"
    )
    for retired_at in ("2026-01-01", "2026-02-01", None):
        head_connection.execute(insert, [team_id, retired_at])

    with pytest.raises(errors.UniqueViolation) as refused:
        head_connection.execute(insert, [team_id, None])

    assert refused.value.diag.constraint_name == "unique_active_data_key_per_team"


def test_upgrade_replaces_null_by_the_default_and_refuses_it(fresh_database_url: str) -> None:
    with psycopg.connect(fresh_database_url, autocommit=True) as connection:
        migrations.downgrade(fresh_database_url, "024")
        team_id = make_row(connection, "teams")
        connection.execute(
            "UPDATE teams SET billing_plan = NULL, max_concurrent_builds = NULL WHERE id = %s", [team_id]
        )

        migrations.upgrade(fresh_database_url)

        row = connection.execute("SELECT billing_plan, max_concurrent_builds FROM teams WHERE id = %s", [team_id])
        assert row.fetchone() == ("free", 10)
        with pytest.raises(errors.NotNullViolation):
            connection.execute("UPDATE teams SET billing_plan = NULL WHERE id = %s", [team_id])
