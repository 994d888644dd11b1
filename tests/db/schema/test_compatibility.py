"""Every revision keeps the schema compatible with the previous code, which still runs during a rollout.

A revision may not remove or change the type of a column in use, add a rule that the previous code does not know, or add
a column that the previous code must set. This test only compares schemas. `KNOWN` lists the exceptions from before the
first release. Each was judged harmless when it was made. After the first release, make such a change in two revisions,
one release apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from stagely_rpc.db.schema import migrations
from tests.support.schema.catalog import tables_of, triggers_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.schema.catalog import Schema

RULES = ("constraint", "trigger")

KNOWN = {
    "016": {"trigger audit_logs.audit_logs_append_only"},
    "017": {"constraint audit_logs.valid_resource_type"},
    "018": {
        "constraint build_jobs.build_jobs_cloud_provider_id_fkey",
        "constraint secrets.secrets_created_by_fkey",
        "constraint workflow_runs.workflow_runs_triggered_by_fkey",
    },
    "019": {"constraint users.valid_email"},
    "020": {"index environments.unique_open_environment_per_pr"},
    "021": {
        f"trigger {table}.bump_{table}_row_version"
        for table in (
            *("build_jobs", "cloud_providers", "environments", "projects", "secrets"),
            *("team_members", "teams", "users", "workflow_runs"),
        )
    },
    "022": {"trigger environments.check_environments_status_transition"},
    "025": {
        *("column build_jobs.queued_at", "column cloud_providers.config", "column cloud_providers.is_active"),
        *("column environments.estimated_cost_usd", "column environments.vm_status", "column projects.config"),
        *("column projects.default_branch", "column projects.default_preview_size", "column projects.is_active"),
        *("column teams.billing_plan", "column teams.max_concurrent_builds", "column teams.max_concurrent_stagelets"),
        *("column users.email_verified", "column users.is_active"),
    },
    "026": {"constraint audit_logs.valid_resource_type"},
}
"""The incompatible changes of the revisions before the first release."""


def incompatibilities(before: Schema, after: Schema) -> Iterator[str]:
    """Yield the names of changes that the previous code may not be compatible with."""
    for name in sorted(before.keys() | after.keys()):
        kind, _, rest = name.partition(" ")
        was, now = _without_comment(before.get(name)), _without_comment(after.get(name))
        is_of_new_table = f"table {rest.partition('.')[0]}" not in before
        if was == now or is_of_new_table:
            continue
        if now is None:
            is_incompatible = kind in {"table", "column"}
        elif kind == "column":
            is_incompatible = was is not None or ("NOT NULL" in now and "DEFAULT" not in now)
        else:
            is_incompatible = kind in RULES or (kind == "index" and "UNIQUE" in now)
        if is_incompatible:
            yield name


def _without_comment(definition: str | None) -> str | None:
    return definition and definition.partition("-- ")[0].strip()


def schema_of(connection: psycopg.Connection) -> Schema:
    return tables_of(connection) | triggers_of(connection)


def test_revision_is_compatible_with_the_previous_code(database_at: Callable[[str], str]) -> None:
    url, found = database_at("014"), {}
    with psycopg.connect(url, autocommit=True) as connection:
        schema = schema_of(connection)
        while migrations.current_revision(url) != migrations.head_revision():
            (revision,) = migrations.upgrade(url, "+1")
            before, schema = schema, schema_of(connection)
            found[revision] = set(incompatibilities(before, schema))

    assert {revision: names for revision, names in found.items() if names} == KNOWN


def test_removed_and_stricter_definitions_are_found(database_at: Callable[[str], str]) -> None:
    with psycopg.connect(database_at("028"), autocommit=True) as connection:
        before = schema_of(connection)
        connection.execute("ALTER TABLE teams DROP COLUMN billing_email, ADD COLUMN colour text NOT NULL")
        connection.execute("ALTER TABLE users ALTER COLUMN name SET NOT NULL, ADD COLUMN note text")
        connection.execute("CREATE UNIQUE INDEX one_name ON users (name)")
        connection.execute("DROP TABLE agent_connections CASCADE")

        named = set(incompatibilities(before, schema_of(connection)))

    assert {"column teams.billing_email", "column teams.colour", "index users.one_name"} <= named
    assert "table agent_connections" in named
    assert "column users.note" not in named
