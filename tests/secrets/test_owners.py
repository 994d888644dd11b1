from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import grpc

from stagely.v1 import secret_pb2, team_pb2
from tests.support.refusals import refused
from tests.support.secrets import (
    delete_secret,
    execute,
    get_secret,
    make_secret,
    resolve,
    set_secret,
    team_of,
    value_of,
)
from tests.support.users import make_user

if TYPE_CHECKING:
    from stagely.v1.secret_pb2_grpc import SecretServiceAsyncStub
    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub
    from stagely.v1.user_pb2_grpc import UserServiceAsyncStub

UNKNOWN_ID = str(uuid.uuid4())


async def test_unknown_creator_is_not_found(secrets: SecretServiceAsyncStub, project_id: str) -> None:
    with refused(grpc.StatusCode.NOT_FOUND) as refusal:
        await set_secret(secrets, project_id, created_by=UNKNOWN_ID)

    assert "User" in refusal.message
    assert await resolve(secrets, project_id) == []


async def test_creator_of_a_replaced_secret_is_unchanged(
    secrets: SecretServiceAsyncStub, users: UserServiceAsyncStub, project_id: str
) -> None:
    creator, other = await make_user(users), await make_user(users)
    await make_secret(secrets, project_id, created_by=creator.id)

    for ignored in (other.id, UNKNOWN_ID):
        assert (await set_secret(secrets, project_id, created_by=ignored)).secret.created_by == creator.id


async def test_secret_is_kept_when_its_creator_is_deleted(
    secrets: SecretServiceAsyncStub, users: UserServiceAsyncStub, project_id: str, database_url: str
) -> None:
    creator = await make_user(users)
    secret = await make_secret(secrets, project_id, created_by=creator.id)
    await execute(database_url, "DELETE FROM users WHERE id = %s", creator.id)

    assert not (await get_secret(secrets, id=secret.id)).HasField("created_by")


async def test_unknown_project_is_not_found(secrets: SecretServiceAsyncStub) -> None:
    with refused(grpc.StatusCode.NOT_FOUND) as unset:
        await set_secret(secrets, UNKNOWN_ID)
    with refused(grpc.StatusCode.NOT_FOUND) as unlisted:
        await secrets.ListSecrets(secret_pb2.ListSecretsRequest(project_id=UNKNOWN_ID))
    with refused(grpc.StatusCode.NOT_FOUND) as unresolved:
        await resolve(secrets, UNKNOWN_ID)

    assert unset.message == unlisted.message == unresolved.message == f"Project {UNKNOWN_ID!r} not found"


async def test_secrets_of_a_deleted_team_are_read_only(
    secrets: SecretServiceAsyncStub, teams: TeamServiceAsyncStub, project_id: str, database_url: str
) -> None:
    secret = await make_secret(secrets, project_id, value=b"hunter2")
    await teams.DeleteTeam(team_pb2.DeleteTeamRequest(id=await team_of(database_url, project_id)))

    for key in ("NEW", secret.key):
        with refused(grpc.StatusCode.FAILED_PRECONDITION, reason="TEAM_DELETED"):
            await set_secret(secrets, project_id, key=key)
    with refused(grpc.StatusCode.FAILED_PRECONDITION, reason="TEAM_DELETED"):
        await delete_secret(secrets, id=secret.id)

    assert await get_secret(secrets, id=secret.id) == secret
    assert await value_of(secrets, id=secret.id) == b"hunter2"
    assert [one.value for one in await resolve(secrets, project_id)] == [b"hunter2"]


async def test_secrets_of_an_archived_project_can_be_changed(
    secrets: SecretServiceAsyncStub, project_id: str, database_url: str
) -> None:
    await execute(database_url, "UPDATE projects SET is_active = false WHERE id = %s", project_id)

    secret = await make_secret(secrets, project_id)
    await delete_secret(secrets, id=secret.id)


async def test_secrets_are_deleted_with_their_project(
    secrets: SecretServiceAsyncStub, project_id: str, database_url: str
) -> None:
    secret = await make_secret(secrets, project_id)
    await execute(database_url, "DELETE FROM projects WHERE id = %s", project_id)

    with refused(grpc.StatusCode.NOT_FOUND):
        await get_secret(secrets, id=secret.id)
