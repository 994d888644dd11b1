from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import grpc
import pytest

from stagely.v1 import secret_pb2
from tests.support.refusals import refused
from tests.support.secrets import (
    ENV,
    FILE,
    delete_secret,
    get_secret,
    make_file,
    make_secret,
    name_of,
    set_secret,
    value_of,
)
from tests.support.users import make_user

if TYPE_CHECKING:
    from stagely.v1.secret_pb2_grpc import SecretServiceAsyncStub
    from stagely.v1.user_pb2_grpc import UserServiceAsyncStub

UNKNOWN_ID = str(uuid.uuid4())


async def test_new_secret_has_the_defaults(secrets: SecretServiceAsyncStub, project_id: str) -> None:
    answer = await set_secret(secrets, project_id, key="TOKEN", value=b"hunter2")

    assert answer.created
    assert uuid.UUID(answer.secret.id)
    assert answer.secret.project_id == project_id
    assert (answer.secret.key, answer.secret.scope, answer.secret.secret_type) == ("TOKEN", "global", ENV)
    assert answer.secret.etag
    assert answer.secret.created_at == answer.secret.updated_at
    for field in ("file_path", "file_permissions", "created_by"):
        assert not answer.secret.HasField(field)


async def test_every_field_of_a_file_is_stored(
    secrets: SecretServiceAsyncStub, users: UserServiceAsyncStub, project_id: str
) -> None:
    creator = await make_user(users)
    file = await make_file(
        secrets, project_id, scope="backend", file_path="/ключи/tls.key", file_permissions="0440", created_by=creator.id
    )

    assert (file.scope, file.secret_type, file.created_by) == ("backend", FILE, creator.id)
    assert (file.file_path, file.file_permissions) == ("/ключи/tls.key", "0440")
    assert await get_secret(secrets, id=file.id) == file


@pytest.mark.parametrize(
    "value", [b"", b"\0", b"a\0b\r\n", b"\xff\xfe\x80", "пароль 🔑".encode(), b"x" * 65536], ids=len
)
async def test_value_of_any_bytes_is_returned_unchanged(
    secrets: SecretServiceAsyncStub, project_id: str, value: bytes
) -> None:
    secret = await make_secret(secrets, project_id, value=value)

    assert await value_of(secrets, id=secret.id) == value


async def test_value_over_the_limit_is_refused(secrets: SecretServiceAsyncStub, project_id: str) -> None:
    with refused(grpc.StatusCode.INVALID_ARGUMENT, field="value") as refusal:
        await set_secret(secrets, project_id, value=b"x" * 65537)

    assert refusal.fields == {"value": "must have at most 65536 bytes"}
    assert "xxx" not in refusal.message


async def test_setting_again_replaces_every_field(secrets: SecretServiceAsyncStub, project_id: str) -> None:
    file = await make_file(secrets, project_id, key="TLS", file_permissions="0400", value=b"old")

    answer = await set_secret(secrets, project_id, key="TLS", value=b"new")

    assert not answer.created
    assert answer.secret.id == file.id
    assert answer.secret.created_at == file.created_at
    assert answer.secret.secret_type == ENV
    assert not answer.secret.HasField("file_path")
    assert not answer.secret.HasField("file_permissions")
    assert await value_of(secrets, id=file.id) == b"new"


async def test_setting_again_changes_etag_and_update_time(secrets: SecretServiceAsyncStub, project_id: str) -> None:
    first = await make_secret(secrets, project_id)

    second = (await set_secret(secrets, project_id)).secret

    assert first.etag != second.etag
    assert first.updated_at.ToDatetime() < second.updated_at.ToDatetime()
    assert await get_secret(secrets, id=first.id) == second


async def test_unset_value_is_empty(secrets: SecretServiceAsyncStub, project_id: str) -> None:
    secret = await make_secret(secrets, project_id, value=b"something")

    await secrets.SetSecret(secret_pb2.SetSecretRequest(project_id=project_id, key=secret.key))

    assert await value_of(secrets, id=secret.id) == b""


async def test_same_key_in_another_scope_or_project_is_another_secret(
    secrets: SecretServiceAsyncStub, project_id: str, other_project_id: str
) -> None:
    made = [
        await make_secret(secrets, project_id, value=b"1"),
        await make_secret(secrets, project_id, scope="backend", value=b"2"),
        await make_secret(secrets, other_project_id, value=b"3"),
    ]

    assert [await value_of(secrets, name=name_of(secret)) for secret in made] == [b"1", b"2", b"3"]


async def test_current_etag_is_accepted(secrets: SecretServiceAsyncStub, project_id: str) -> None:
    secret = await make_secret(secrets, project_id)

    assert not (await set_secret(secrets, project_id, etag=secret.etag)).created


async def test_stale_etag_changes_nothing(secrets: SecretServiceAsyncStub, project_id: str) -> None:
    stale = (await make_secret(secrets, project_id)).etag
    secret = (await set_secret(secrets, project_id, value=b"theirs")).secret

    with refused(grpc.StatusCode.ABORTED, reason="ETAG_STALE"):
        await set_secret(secrets, project_id, value=b"mine", etag=stale)
    with refused(grpc.StatusCode.ABORTED, reason="ETAG_STALE"):
        await delete_secret(secrets, id=secret.id, etag=stale)

    assert await get_secret(secrets, id=secret.id) == secret
    assert await value_of(secrets, id=secret.id) == b"theirs"


async def test_etag_of_a_deleted_secret_is_refused(secrets: SecretServiceAsyncStub, project_id: str) -> None:
    secret = await make_secret(secrets, project_id)
    await delete_secret(secrets, id=secret.id)

    with refused(grpc.StatusCode.ABORTED, reason="ETAG_STALE"):
        await set_secret(secrets, project_id, etag=secret.etag)
    with refused(grpc.StatusCode.NOT_FOUND):
        await get_secret(secrets, name=name_of(secret))


async def test_secret_is_found_by_id_and_by_name(secrets: SecretServiceAsyncStub, project_id: str) -> None:
    secret = await make_secret(secrets, project_id, scope="backend")

    assert await get_secret(secrets, id=secret.id) == secret
    assert await get_secret(secrets, name=name_of(secret)) == secret


async def test_name_without_a_scope_means_global(secrets: SecretServiceAsyncStub, project_id: str) -> None:
    secret = await make_secret(secrets, project_id)

    name = secret_pb2.SecretName(project_id=project_id, key=secret.key)

    assert await get_secret(secrets, name=name) == secret


async def test_access_returns_the_secret_with_its_value(secrets: SecretServiceAsyncStub, project_id: str) -> None:
    secret = await make_secret(secrets, project_id, value=b"hunter2")

    for key in ({"id": secret.id}, {"name": name_of(secret)}):
        answer = await secrets.AccessSecret(secret_pb2.AccessSecretRequest(**key))
        assert (answer.secret, answer.value) == (secret, b"hunter2")


async def test_deleted_secret_is_not_found(secrets: SecretServiceAsyncStub, project_id: str) -> None:
    by_id, by_name = [await make_secret(secrets, project_id, key=key) for key in ("A", "B")]

    await delete_secret(secrets, id=by_id.id, etag=by_id.etag)
    await delete_secret(secrets, name=name_of(by_name))

    for secret in (by_id, by_name):
        with refused(grpc.StatusCode.NOT_FOUND):
            await get_secret(secrets, id=secret.id)


async def test_unknown_secret_is_not_found(secrets: SecretServiceAsyncStub, project_id: str) -> None:
    for key in ({"id": UNKNOWN_ID}, {"name": secret_pb2.SecretName(project_id=project_id, key="UNKNOWN")}):
        for call in (get_secret, value_of, delete_secret):
            with refused(grpc.StatusCode.NOT_FOUND, reason="RESOURCE_NOT_FOUND") as refusal:
                await call(secrets, **key)
            assert "Secret" in refusal.message
