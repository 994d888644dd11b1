"""Rows for the seed tables, inserted with SQL. They fit every revision from 014 on; the models fit only head."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any
from uuid import UUID

from psycopg import sql

if TYPE_CHECKING:
    import psycopg

VALUES: dict[str, dict[str, str]] = {
    "teams": {"slug": "team-{unique}", "name": "Acme"},
    "users": {"email": "{unique}@example.com", "name": "Ada"},
    "team_members": {"role": "owner"},
    "cloud_providers": {"name": "{unique}", "provider_type": "hetzner", "encrypted_credentials": "ciphertext"},
    "projects": {"slug": "project-{unique}", "name": "Shop", "repo_url": "https://example.com/shop.git"},
    "environments": {
        "branch_name": "feature",
        "commit_hash": "c0ffee",
        "subdomain_hash": "pr-7-{unique}",
        "pr_number": "7",
        "vm_ip": "2001:db8::1",
    },
    "workflow_runs": {"trigger": "pr_opened"},
    "build_jobs": {"name": "web", "architecture": "arm64"},
    "build_logs": {"stream": "stdout", "line": "Step 1/7"},
    "secrets": {"key": "TOKEN_{unique}", "encrypted_value": "ciphertext"},
    "audit_logs": {"action": "project.create", "resource_type": "project", "metadata": '[{{"was": null}}]'},
    "agent_connections": {"agent_id": "agent-{unique}", "token_hash": "hash", "ip_address": "192.0.2.1"},
}
"""The values of required and other interesting columns, by table. Parents come before children."""

PARENTS: dict[str, dict[str, str]] = {
    "team_members": {"team_id": "teams", "user_id": "users"},
    "cloud_providers": {"team_id": "teams"},
    "projects": {"team_id": "teams", "cloud_provider_id": "cloud_providers"},
    "environments": {"project_id": "projects"},
    "workflow_runs": {"environment_id": "environments", "triggered_by": "users"},
    "build_jobs": {"workflow_run_id": "workflow_runs", "cloud_provider_id": "cloud_providers"},
    "build_logs": {"build_job_id": "build_jobs"},
    "secrets": {"project_id": "projects", "created_by": "users"},
    "audit_logs": {"actor_id": "users", "team_id": "teams", "project_id": "projects"},
    "agent_connections": {"environment_id": "environments"},
}


def make_row(connection: psycopg.Connection, table: str, **overrides: object) -> UUID:
    """Insert a row, and the rows that it references unless they are given. Return its id."""
    values: dict[str, object] = {
        column: value.format(unique=secrets.token_hex(4)) for column, value in VALUES[table].items()
    }
    for column, parent in PARENTS.get(table, {}).items():
        if column not in overrides:
            values[column] = make_row(connection, parent)
    values |= overrides
    insert = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING id").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, values)),
        sql.SQL(", ").join(sql.Placeholder() * len(values)),
    )
    return UUID(str(value_of(connection, insert, *values.values())))


def populate(connection: psycopg.Connection) -> None:
    """Insert at least one row into every table."""
    for table in VALUES:
        make_row(connection, table)


def rows_of(connection: psycopg.Connection) -> dict[str, list[dict[str, Any]]]:
    """Return all rows of all tables, without the columns that later revisions add."""
    select = sql.SQL("SELECT to_jsonb({0}) - '{{row_version,actor_service,request_id}}'::text[] FROM {0} ORDER BY id")
    return {table: [row for (row,) in connection.execute(select.format(sql.Identifier(table)))] for table in VALUES}


def row_of(connection: psycopg.Connection, table: str, row_id: UUID) -> dict[str, Any]:
    """Return a row as a dictionary with JSON values."""
    query = sql.SQL("SELECT to_jsonb({0}) FROM {0} WHERE id = %s").format(sql.Identifier(table))
    row: dict[str, Any] = value_of(connection, query, row_id)
    return row


def value_of(connection: psycopg.Connection, query: sql.Composed | bytes, *parameters: object) -> Any:
    """Return the only value of the only row."""
    rows = connection.execute(query, parameters).fetchall()
    assert len(rows) == 1, f"{len(rows)} rows"
    return rows[0][0]
