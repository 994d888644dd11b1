from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest

from stagely.v1 import secret_pb2
from stagely_rpc.secrets.inputs import NewSecret
from tests.support.refusals import refused
from tests.support.secrets import FILE, get_secret, make_file, make_secret, name_of, set_secret

if TYPE_CHECKING:
    from stagely.v1.secret_pb2_grpc import SecretServiceAsyncStub

UNKNOWN_TYPE: Any = 99


async def test_project_and_key_are_required(secrets: SecretServiceAsyncStub) -> None:
    with refused(grpc.StatusCode.INVALID_ARGUMENT) as refusal:
        await secrets.SetSecret(secret_pb2.SetSecretRequest())

    assert refusal.fields == {"project_id": "is required", "key": "is required"}


@pytest.mark.parametrize("key", ["A", "_", "a1", "DATABASE_URL", "_9", "k" * 255])
async def test_valid_key_of_a_variable_is_accepted(secrets: SecretServiceAsyncStub, project_id: str, key: str) -> None:
    assert (await make_secret(secrets, project_id, key=key)).key == key


@pytest.mark.parametrize(
    "key", ["1A", "A-B", "A.B", "A B", " A", "A\n", "A=B", "ключ", "A\0", "tls.key", "%", "k" * 256, "'; --"]
)
async def test_invalid_key_of_a_variable_is_refused(secrets: SecretServiceAsyncStub, project_id: str, key: str) -> None:
    with refused(grpc.StatusCode.INVALID_ARGUMENT, field="key"):
        await set_secret(secrets, project_id, key=key)


@pytest.mark.parametrize("key", ["tls.key", "google-credentials.json", "1", "_.-", "A", "k" * 255])
async def test_valid_key_of_a_file_is_accepted(secrets: SecretServiceAsyncStub, project_id: str, key: str) -> None:
    file = await make_file(secrets, project_id, key=key)

    assert await get_secret(secrets, name=name_of(file)) == file


@pytest.mark.parametrize("key", [".env", "-rf", "a/b", "..", "a b", "a\n", "ключ", "k" * 256])
async def test_invalid_key_of_a_file_is_refused(secrets: SecretServiceAsyncStub, project_id: str, key: str) -> None:
    with refused(grpc.StatusCode.INVALID_ARGUMENT, field="key"):
        await make_file(secrets, project_id, key=key)
    with refused(grpc.StatusCode.INVALID_ARGUMENT, field="name.key"):
        await get_secret(secrets, name=secret_pb2.SecretName(project_id=project_id, key=key))


@pytest.mark.parametrize("scope", ["global", "backend", "Web_2", "-", "s" * 50])
async def test_valid_scope_is_accepted(secrets: SecretServiceAsyncStub, project_id: str, scope: str) -> None:
    assert (await make_secret(secrets, project_id, scope=scope)).scope == scope


@pytest.mark.parametrize("scope", ["a b", "a.b", "a/b", "ключ", "a\n", "%", "s" * 51])
async def test_invalid_scope_is_refused(secrets: SecretServiceAsyncStub, project_id: str, scope: str) -> None:
    with refused(grpc.StatusCode.INVALID_ARGUMENT, field="scope"):
        await set_secret(secrets, project_id, scope=scope)
    with refused(grpc.StatusCode.INVALID_ARGUMENT, field="scope"):
        await secrets.ListSecrets(secret_pb2.ListSecretsRequest(project_id=project_id, scope=scope))
    with refused(grpc.StatusCode.INVALID_ARGUMENT, field="scope"):
        await secrets.ResolveSecrets(secret_pb2.ResolveSecretsRequest(project_id=project_id, scope=scope))
    with refused(grpc.StatusCode.INVALID_ARGUMENT, field="name.scope"):
        await get_secret(secrets, name=secret_pb2.SecretName(project_id=project_id, key="A", scope=scope))


@pytest.mark.parametrize(
    "path",
    [
        "/a",
        "/etc/ssl/tls.key",
        "/...",
        "/.env",
        "/a b/ключ",
        f"/{'n' * 255}",
        f"/{'я' * 127}",
        "/" + "/".join(["n" * 254] * 15 + ["n" * 255] + ["n" * 13]),
    ],
    ids=len,
)
async def test_valid_path_is_accepted(secrets: SecretServiceAsyncStub, project_id: str, path: str) -> None:
    assert (await make_file(secrets, project_id, file_path=path)).file_path == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "//",
        "//a",
        "a",
        "./a",
        "../a",
        "/a/",
        "/a//b",
        "/a/./b",
        "/a/../b",
        "/..",
        "/.",
        "/a\0b",
        "/a\nb",
        "/a\x7fb",
        "/a\x85b",
        "~/a",
        "C:\\a",
        f"/{'n' * 256}",
        f"/{'я' * 128}",
        "/" + "/".join(["n" * 254] * 15 + ["n" * 255] + ["n" * 14]),
        "/" + "/n" * 5000,
    ],
    ids=len,
)
async def test_path_that_is_not_absolute_and_normalized_is_refused(
    secrets: SecretServiceAsyncStub, project_id: str, path: str
) -> None:
    with refused(grpc.StatusCode.INVALID_ARGUMENT) as refusal:
        await make_file(secrets, project_id, file_path=path)

    assert list(refusal.fields) == ["file_path"]


async def test_file_requires_a_path(secrets: SecretServiceAsyncStub, project_id: str) -> None:
    with refused(grpc.StatusCode.INVALID_ARGUMENT) as refusal:
        await set_secret(secrets, project_id, secret_type=FILE)

    assert refusal.fields == {"file_path": "is required for a file"}


@pytest.mark.parametrize(
    ("given", "stored"),
    [(None, "0600"), ("0600", "0600"), ("0000", "0000"), ("0777", "0777"), ("777", "0777"), ("000", "0000")],
)
async def test_permissions_are_stored_as_four_octal_digits(
    secrets: SecretServiceAsyncStub, project_id: str, given: str | None, stored: str
) -> None:
    assert (await make_file(secrets, project_id, file_permissions=given)).file_permissions == stored


@pytest.mark.parametrize("permissions", ["", "0", "60", "0800", "888", "1000", "4755", "00600", "0o600", "rw-", "-600"])
async def test_invalid_permissions_are_refused(
    secrets: SecretServiceAsyncStub, project_id: str, permissions: str
) -> None:
    with refused(grpc.StatusCode.INVALID_ARGUMENT) as refusal:
        await make_file(secrets, project_id, file_permissions=permissions)

    assert list(refusal.fields) == ["file_permissions"]


@pytest.mark.parametrize("value", ["", "/etc/a"])
async def test_variable_with_a_path_is_refused(secrets: SecretServiceAsyncStub, project_id: str, value: str) -> None:
    with refused(grpc.StatusCode.INVALID_ARGUMENT) as refusal:
        await set_secret(secrets, project_id, file_path=value, file_permissions="0600")

    assert list(refusal.fields) == ["file_path", "file_permissions"]


async def test_unknown_type_is_refused(secrets: SecretServiceAsyncStub, project_id: str) -> None:
    with refused(grpc.StatusCode.INVALID_ARGUMENT, field="secret_type"):
        await set_secret(secrets, project_id, secret_type=UNKNOWN_TYPE)
    with refused(grpc.StatusCode.INVALID_ARGUMENT, field="secret_type"):
        await secrets.ListSecrets(secret_pb2.ListSecretsRequest(project_id=project_id, secret_type=UNKNOWN_TYPE))


async def test_malformed_ids_are_refused(secrets: SecretServiceAsyncStub) -> None:
    with refused(grpc.StatusCode.INVALID_ARGUMENT) as refusal:
        await set_secret(secrets, "../1", created_by="me")

    assert list(refusal.fields) == ["project_id", "created_by"]


async def test_id_or_name_is_required(secrets: SecretServiceAsyncStub) -> None:
    for call in (
        secrets.GetSecret(secret_pb2.GetSecretRequest()),
        secrets.AccessSecret(secret_pb2.AccessSecretRequest()),
        secrets.DeleteSecret(secret_pb2.DeleteSecretRequest()),
    ):
        with refused(grpc.StatusCode.INVALID_ARGUMENT) as refusal:
            await call
        assert refusal.fields == {"key": "one of id, name is required"}


async def test_name_requires_a_project_and_a_key(secrets: SecretServiceAsyncStub) -> None:
    with refused(grpc.StatusCode.INVALID_ARGUMENT) as refusal:
        await get_secret(secrets, name=secret_pb2.SecretName())

    assert refusal.fields == {"name.project_id": "is required", "name.key": "is required"}


async def test_every_invalid_field_is_named(secrets: SecretServiceAsyncStub, project_id: str) -> None:
    with refused(grpc.StatusCode.INVALID_ARGUMENT) as refusal:
        await set_secret(secrets, project_id, key="a b", scope="a b", value=b"x" * 65537, file_path="/a", etag="e" * 65)

    assert set(refusal.fields) == {"key", "scope", "value", "file_path", "etag"}


def test_text_of_an_input_does_not_contain_the_value() -> None:
    new = NewSecret(project_id="4f9c2e3a-8d11-4c55-9b1e-0a6f2d7c8e90", key="A", value=b"hunter2")

    assert "hunter2" not in repr(new)
