from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from stagely.v1 import environment_pb2
from tests.support.teams import make_team

if TYPE_CHECKING:
    from stagely.v1.environment_pb2_grpc import EnvironmentServiceAsyncStub
    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub

COMMIT = "a" * 40
OTHER_COMMIT = "b" * 40

STATUSES = ("pending", "building", "deploying", "ready", "failed", "terminated", "reaped")
LIVE = STATUSES[:4]


def number_of(status: str) -> environment_pb2.EnvironmentStatus.ValueType:
    return environment_pb2.EnvironmentStatus.Value(f"ENVIRONMENT_STATUS_{status.upper()}")


def status_of(environment: environment_pb2.Environment) -> str:
    name = environment_pb2.EnvironmentStatus.Name(environment.status)
    return name.removeprefix("ENVIRONMENT_STATUS_").lower()


async def execute(database_url: str, statement: sql.SQL | sql.Composed, *values: object) -> Any:
    """Run a statement directly on the database. Return the first column of its first row; None without rows."""
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        cursor = await connection.execute(statement, values)
        row = await cursor.fetchone() if cursor.description else None
    return row[0] if row else None


async def insert(database_url: str, table: str, **values: object) -> str:
    """Insert a row. Return its id."""
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING id::text").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, values)),
        sql.SQL(", ").join([sql.Placeholder()] * len(values)),
    )
    return str(await execute(database_url, statement, *values.values()))


async def make_project(teams: TeamServiceAsyncStub, database_url: str, *, quota: int = 1000, **overrides: Any) -> str:
    """Create a project, in a new team with this quota unless `team_id` is given. Return the project's id."""
    team_id = overrides.pop("team_id", None) or (await make_team(teams, max_concurrent_stagelets=quota)).id
    slug = f"project-{uuid.uuid4().hex[:12]}"
    given = {"slug": slug, "name": "Shop", "repo_url": "https://github.com/pallets/flask"} | overrides
    return await insert(database_url, "projects", team_id=team_id, **given)


async def team_of(database_url: str, project_id: str) -> str:
    return str(await execute(database_url, sql.SQL("SELECT team_id FROM projects WHERE id = %s"), project_id))


async def archive(database_url: str, project_id: str) -> None:
    await execute(database_url, sql.SQL("UPDATE projects SET is_active = false WHERE id = %s"), project_id)


async def count_live(database_url: str, project_id: str) -> int:
    statement = sql.SQL("SELECT count(*) FROM environments WHERE project_id = %s AND status = ANY(%s)")
    return int(await execute(database_url, statement, project_id, list(LIVE)))


async def insert_environment(database_url: str, project_id: str, status: str, **overrides: Any) -> str:
    """Insert an environment with a status, without its transitions. Return its id."""
    given = {"subdomain_hash": f"env-{uuid.uuid4().hex[:12]}", "branch_name": "main", "commit_hash": COMMIT} | overrides
    return await insert(database_url, "environments", project_id=project_id, status=status, **given)


async def make_environment(
    environments: EnvironmentServiceAsyncStub, project_id: str, **overrides: Any
) -> environment_pb2.Environment:
    """Create an environment, without a pull request unless one is given."""
    given = {"project_id": project_id, "branch_name": "main", "commit_hash": COMMIT} | overrides
    return (await environments.CreateEnvironment(environment_pb2.CreateEnvironmentRequest(**given))).environment


async def get_environment(environments: EnvironmentServiceAsyncStub, **key: Any) -> environment_pb2.Environment:
    return (await environments.GetEnvironment(environment_pb2.GetEnvironmentRequest(**key))).environment


async def ensure(
    environments: EnvironmentServiceAsyncStub, project_id: str, **overrides: Any
) -> environment_pb2.EnsureEnvironmentResponse:
    """Ensure an environment for pull request 7."""
    given: dict[str, Any] = {
        "project_id": project_id,
        "pr_number": 7,
        "branch_name": "main",
        "commit_hash": COMMIT,
    } | overrides
    return await environments.EnsureEnvironment(environment_pb2.EnsureEnvironmentRequest(**given))


async def transition(
    environments: EnvironmentServiceAsyncStub, environment_id: str, status: str, etag: str = ""
) -> environment_pb2.Environment:
    request = environment_pb2.TransitionEnvironmentRequest(id=environment_id, status=number_of(status), etag=etag)
    return (await environments.TransitionEnvironment(request)).environment


async def terminate(
    environments: EnvironmentServiceAsyncStub, environment_id: str, etag: str = ""
) -> environment_pb2.Environment:
    request = environment_pb2.TerminateEnvironmentRequest(id=environment_id, etag=etag)
    return (await environments.TerminateEnvironment(request)).environment
