"""`python -m benchmarks.populate URL`: fill a migrated, empty database with two years of data, by COPY.

    python -m benchmarks.populate URL --scale 0.01     a hundredth of it; ENCRYPTION_KEY must be set

The secrets are really encrypted, with a data key per team. The audit entries are outside of the chains: they have no
seals and are not queued, so `VerifyAuditLog` reports them as inserted by someone other than the service.

Everything is loaded in one transaction. It drops the indexes that enforce nothing, and recreates them from their
definitions. Triggers and constraints are not changed.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, LiteralString

import psycopg
from psycopg import sql

from benchmarks.seed_history import RESOLVED_PROJECT, SCOPE, Growth
from benchmarks.seed_tenants import FEATURED_TEAMS, Tenants
from benchmarks.sizes import Sizes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LINES = 2000
_COLUMNS: dict[str, LiteralString] = {
    "teams": "id, slug, name, billing_email, billing_plan, max_concurrent_stagelets, created_at",
    "users": "id, email, name, github_id, is_active, created_at",
    "team_members": "id, team_id, user_id, role, created_at",
    "data_keys": "id, team_id, key_encryption_key_id, wrapped_key",
    "cloud_providers": "id, team_id, name, provider_type, encrypted_credentials, region, created_at",
    "projects": "id, team_id, slug, name, repo_url, cloud_provider_id, is_active, created_at",
    "environments": "id, project_id, pr_number, branch_name, commit_hash, subdomain_hash, vm_id, vm_ip, vm_status,"
    " status, deployed_at, last_heartbeat_at, terminated_at, created_at",
    "secrets": "id, project_id, key, encrypted_value, scope, secret_type, file_path, file_permissions, created_at",
    "audit_logs": "id, actor_id, actor_ip, action, resource_type, resource_id, team_id, project_id, metadata,"
    " timestamp, actor_service, request_id",
}
# But for those of some statuses, which are small, and whose condition would be written in another way afterwards.
_PLAIN_INDEXES = """
    SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
    WHERE indrelid = ANY(%s::regclass[]) AND NOT indisunique
      AND (indpred IS NULL OR pg_get_expr(indpred, indrelid) ~ 'NULL') ORDER BY 1
"""
_LOADING = "SET LOCAL maintenance_work_mem = '512MB'; SET LOCAL max_parallel_maintenance_workers = 2"


@dataclass(frozen=True)
class Dataset:
    """The keys of the rows that benchmarks read and change. All ids are UUID strings.

    Attributes:
        team_id: the biggest team.
        user_id: one of its members.
        project_id: its biggest project, with some pages of environments and secrets.
        environment_id: an environment from the middle of the project's list.
        subdomain_hash: the subdomain of a ready environment.
        secret_id: a secret of the project, whose value decrypts.
        resolved_project_id: a project with exactly 100 secrets, which `resolved_scope` gets.
        resolved_scope: a scope of that project.
        team_ids: the biggest teams, with large quotas.
        project_ids: a project of each of those teams.
        secret_ids: secrets of many projects.
        ready_environment_ids: ready environments, at most one per pull request.
    """

    team_id: str
    user_id: str
    project_id: str
    environment_id: str
    subdomain_hash: str
    secret_id: str
    resolved_project_id: str
    resolved_scope: str
    team_ids: tuple[str, ...]
    project_ids: tuple[str, ...]
    secret_ids: tuple[str, ...]
    ready_environment_ids: tuple[str, ...]


def populate(database_url: str, sizes: Sizes, *, encryption_key: bytes) -> Dataset:
    """Fill a migrated, empty database, and return useful keys.

    Args:
        database_url: the database.
        sizes: the numbers of rows.
        encryption_key: the ENCRYPTION_KEY of the servers that will read the secrets.
    """
    tenants = Tenants(sizes, encryption_key)
    growth = Growth(tenants, sizes)
    with psycopg.connect(database_url) as connection:
        connection.execute(_LOADING)
        with _plain_indexes_dropped(connection):
            for table, rows in _rows(tenants, growth).items():
                _copy(connection, table, rows)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("VACUUM ANALYZE {}").format(_identifiers(_COLUMNS)))
    return _dataset(tenants, growth)


def _rows(tenants: Tenants, growth: Growth) -> dict[str, Iterator[str]]:
    """Return the rows of each table, those to which others refer first."""
    return {
        "teams": tenants.teams(),
        "users": tenants.users(),
        "team_members": tenants.team_members(),
        "data_keys": tenants.data_keys(),
        "cloud_providers": tenants.cloud_providers(),
        "projects": tenants.projects(),
        "environments": growth.environments(),
        "secrets": growth.secrets(),
        "audit_logs": growth.audit_logs(),
    }


@contextmanager
def _plain_indexes_dropped(connection: psycopg.Connection) -> Iterator[None]:
    """Load without the indexes that enforce nothing: to build one at the end takes a fraction of the time."""
    indexes = connection.execute(_PLAIN_INDEXES, [list(_COLUMNS)]).fetchall()
    connection.execute(sql.SQL("DROP INDEX {}").format(_identifiers(name for name, _ in indexes)))
    yield
    for _, definition in indexes:
        connection.execute(definition)


def _copy(connection: psycopg.Connection, table: str, rows: Iterator[str]) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), sql.SQL(_COLUMNS[table]))
    with connection.cursor().copy(statement) as copy:
        while block := "".join(islice(rows, _LINES)):
            copy.write(block)


def _identifiers(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _dataset(tenants: Tenants, growth: Growth) -> Dataset:
    made, projects = growth.made, tenants.ids_of_projects
    largest = made.environments[0]
    first_of = {team: project for project, team in reversed(list(enumerate(tenants.team_of)))}
    featured = range(min(FEATURED_TEAMS, len(tenants.ids_of_teams)))
    return Dataset(
        team_id=_uuid(tenants.ids_of_teams[0]),
        user_id=_uuid(tenants.members[0][0]),
        project_id=_uuid(projects[0]),
        environment_id=_uuid(largest[len(largest) // 2]),
        subdomain_hash=next(iter(made.ready.values())),
        secret_id=_uuid(made.secrets[0][0]),
        resolved_project_id=_uuid(projects[RESOLVED_PROJECT]),
        resolved_scope=SCOPE,
        team_ids=tuple(_uuid(tenants.ids_of_teams[team]) for team in featured),
        project_ids=tuple(_uuid(projects[first_of[team]]) for team in featured),
        secret_ids=tuple(_uuid(secrets[0]) for secrets in made.secrets[: 2 * FEATURED_TEAMS] if secrets),
        ready_environment_ids=tuple(map(_uuid, made.ready)),
    )


def _uuid(digits: str) -> str:
    return str(uuid.UUID(digits))


def main() -> None:
    """Populate the database that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.populate", description=__doc__.partition("\n")[0])
    parser.add_argument("url", help="of a migrated, empty database")
    parser.add_argument("--scale", type=float, default=1, help="0.01 for a hundredth of the rows (default: 1)")
    arguments = parser.parse_args()
    try:
        key = bytes.fromhex(os.environ["ENCRYPTION_KEY"])
    except (KeyError, ValueError):
        sys.exit("ENCRYPTION_KEY must be set, to 64 hexadecimal digits")
    started = time.perf_counter()
    dataset = populate(arguments.url, Sizes().scaled(arguments.scale), encryption_key=key)
    print(f"populated in {time.perf_counter() - started:.0f} s; the biggest team is {dataset.team_id}")


if __name__ == "__main__":
    main()
