from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import errors, sql

from stagely_rpc.db.models import Base
from tests.support.schema.rows import VALUES, make_row, row_of
from tests.support.schema.seed_facts import UPDATED_AT_TABLES

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

VERSIONED_TABLES = (*UPDATED_AT_TABLES, "team_members")
UNVERSIONED_TABLES = ("build_logs", "agent_connections")
STATUSES = ("pending", "building", "deploying", "ready", "failed", "terminated", "reaped")
ALLOWED = {
    "pending": {"building", "failed", "terminated", "reaped"},
    "building": {"deploying", "failed", "terminated", "reaped"},
    "deploying": {"ready", "failed", "terminated", "reaped"},
    "ready": {"building", "deploying", "failed", "terminated", "reaped"},
    "failed": {"building", "terminated", "reaped"},
    "terminated": set[str](),
    "reaped": set[str](),
}


def touch(connection: psycopg.Connection, table: str, row_id: UUID) -> dict[str, Any]:
    """Update a row without changing a value. Return the updated row."""
    connection.execute(sql.SQL("UPDATE {} SET id = id WHERE id = %s").format(sql.Identifier(table)), [row_id])
    return row_of(connection, table, row_id)


@pytest.mark.parametrize("revision", ["014", "head"])
@pytest.mark.parametrize("table", UPDATED_AT_TABLES)
def test_update_sets_updated_at_of_that_row_only(table: str, revision: str, seed_url: str, database_url: str) -> None:
    url = {"014": seed_url, "head": database_url}[revision]
    with psycopg.connect(url, autocommit=True) as connection:
        touched_id, other_id = make_row(connection, table), make_row(connection, table)
        before, other = row_of(connection, table, touched_id), row_of(connection, table, other_id)
        after = touch(connection, table, touched_id)

        assert before["updated_at"] == before["created_at"]
        assert after["updated_at"] > before["updated_at"]
        assert after["created_at"] == before["created_at"]
        assert row_of(connection, table, other_id) == other


@pytest.mark.parametrize("table", sorted(VALUES.keys() - set(UPDATED_AT_TABLES)))
def test_update_of_a_table_without_updated_at_changes_no_column(table: str, seed_url: str) -> None:
    with psycopg.connect(seed_url, autocommit=True) as connection:
        row_id = make_row(connection, table)
        before = row_of(connection, table, row_id)

        assert touch(connection, table, row_id) == before


@pytest.mark.parametrize("table", VERSIONED_TABLES)
def test_update_increments_the_version_of_that_row_only(table: str, head_connection: psycopg.Connection) -> None:
    row_id, other_id = make_row(head_connection, table), make_row(head_connection, table)
    versions = [
        row_of(head_connection, table, row_id)["row_version"],
        *(touch(head_connection, table, row_id)["row_version"] for _ in range(2)),
    ]

    assert versions == [1, 2, 3]
    assert row_of(head_connection, table, other_id)["row_version"] == 1


def test_version_cannot_be_overwritten(head_connection: psycopg.Connection) -> None:
    team_id = make_row(head_connection, "teams")
    head_connection.execute("UPDATE teams SET row_version = -7 WHERE id = %s", [team_id])

    assert row_of(head_connection, "teams", team_id)["row_version"] == 2


@pytest.mark.parametrize("table", UNVERSIONED_TABLES)
def test_update_of_an_unversioned_table_changes_no_column(table: str, head_connection: psycopg.Connection) -> None:
    row_id = make_row(head_connection, table)
    before = row_of(head_connection, table, row_id)

    assert touch(head_connection, table, row_id) == before


def test_every_versioned_model_is_tested() -> None:
    versioned = {table.name for table in Base.metadata.tables.values() if "row_version" in table.columns}

    assert versioned == set(VERSIONED_TABLES)


@pytest.mark.parametrize(("old", "new"), list(itertools.product(STATUSES, STATUSES)))
def test_environment_status_changes_only_by_the_state_machine(
    old: str, new: str, head_connection: psycopg.Connection
) -> None:
    environment_id = make_row(head_connection, "environments", status=old)
    change = "UPDATE environments SET status = %s WHERE id = %s"

    if new == old or new in ALLOWED[old]:
        head_connection.execute(change, [new, environment_id])
        assert row_of(head_connection, "environments", environment_id)["status"] == new
    else:
        with pytest.raises(errors.CheckViolation, match=f"cannot change from {old} to {new}") as refused:
            head_connection.execute(change, [new, environment_id])
        assert refused.value.diag.constraint_name == "environment_status_transition"
        assert refused.value.diag.table_name == "environments"


def test_unknown_status_is_refused_by_the_check(head_connection: psycopg.Connection) -> None:
    with pytest.raises(errors.CheckViolation) as refused:
        make_row(head_connection, "environments", status="sleeping")

    assert refused.value.diag.constraint_name == "valid_status"


def test_final_status_could_be_changed_before_the_trigger(database_at: Callable[[str], str]) -> None:
    with psycopg.connect(database_at("021")) as connection:
        environment_id = make_row(connection, "environments", status="reaped")
        connection.execute("UPDATE environments SET status = 'ready' WHERE id = %s", [environment_id])

        assert row_of(connection, "environments", environment_id)["status"] == "ready"
