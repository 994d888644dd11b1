from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import psycopg

from stagely.v1 import secret_pb2
from tests.support.secret_markers import marked_secret
from tests.support.teams import make_team

if TYPE_CHECKING:
    from typing import LiteralString

    from stagely.v1.secret_pb2_grpc import SecretServiceAsyncStub
    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub

ENV = secret_pb2.SECRET_TYPE_ENV
FILE = secret_pb2.SECRET_TYPE_FILE
VALUE = marked_secret("postgres://db").encode()


async def execute(database_url: str, statement: LiteralString, *values: object) -> list[tuple[Any, ...]]:
    """Run a statement directly on the database. Return its rows; empty without any."""
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        cursor = await connection.execute(statement, values)
        return await cursor.fetchall() if cursor.description else []


async def make_project(teams: TeamServiceAsyncStub, database_url: str, team_id: str = "") -> str:
    """Create a project, in a new team unless one is given. Return the project's id."""
    team_id = team_id or (await make_team(teams)).id
    statement = """
        INSERT INTO projects (team_id, slug, name, repo_url) VALUES (%s, %s, 'Shop', 'https://github.com/pallets/flask')
        RETURNING id::text
    """
    [[project_id]] = await execute(database_url, statement, team_id, f"project-{uuid.uuid4().hex[:12]}")
    return str(project_id)


async def team_of(database_url: str, project_id: str) -> str:
    [[team_id]] = await execute(database_url, "SELECT team_id::text FROM projects WHERE id = %s", project_id)
    return str(team_id)


async def set_secret(
    secrets: SecretServiceAsyncStub, project_id: str, **overrides: Any
) -> secret_pb2.SetSecretResponse:
    """Set the secret DATABASE_URL, unless another key is given."""
    given: dict[str, Any] = {"key": "DATABASE_URL", "value": VALUE} | overrides
    return await secrets.SetSecret(secret_pb2.SetSecretRequest(project_id=project_id, **given))


async def make_secret(secrets: SecretServiceAsyncStub, project_id: str, **overrides: Any) -> secret_pb2.Secret:
    """Create a secret. Its name must be free."""
    answer = await set_secret(secrets, project_id, **overrides)
    assert answer.created
    return answer.secret


async def make_file(secrets: SecretServiceAsyncStub, project_id: str, **overrides: Any) -> secret_pb2.Secret:
    """Create a secret of the type file."""
    given: dict[str, Any] = {"key": "tls.key", "secret_type": FILE, "file_path": "/etc/tls.key"} | overrides
    return await make_secret(secrets, project_id, **given)


def name_of(secret: secret_pb2.Secret) -> secret_pb2.SecretName:
    return secret_pb2.SecretName(project_id=secret.project_id, key=secret.key, scope=secret.scope)


async def get_secret(secrets: SecretServiceAsyncStub, **key: Any) -> secret_pb2.Secret:
    return (await secrets.GetSecret(secret_pb2.GetSecretRequest(**key))).secret


async def value_of(secrets: SecretServiceAsyncStub, **key: Any) -> bytes:
    return (await secrets.AccessSecret(secret_pb2.AccessSecretRequest(**key))).value


async def delete_secret(secrets: SecretServiceAsyncStub, **key: Any) -> None:
    await secrets.DeleteSecret(secret_pb2.DeleteSecretRequest(**key))


async def resolve(secrets: SecretServiceAsyncStub, project_id: str, scope: str = "") -> list[secret_pb2.ResolvedSecret]:
    request = secret_pb2.ResolveSecretsRequest(project_id=project_id, scope=scope)
    return list((await secrets.ResolveSecrets(request)).secrets)
