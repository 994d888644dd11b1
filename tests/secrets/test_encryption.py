from __future__ import annotations

import base64
import logging
from typing import TYPE_CHECKING

import grpc
import pytest
import structlog

from stagely.v1 import secret_pb2, secret_pb2_grpc, team_pb2_grpc
from stagely_rpc.crypto.envelope import _DataKeyCache
from stagely_rpc.server.server import Server, StartupError
from stagely_rpc.settings.model import Settings
from tests.support.refusals import refused
from tests.support.rpc import ENCRYPTION_KEY, connected, running_server
from tests.support.secrets import (
    execute,
    get_secret,
    make_project,
    make_secret,
    resolve,
    set_secret,
    value_of,
)

if TYPE_CHECKING:
    from stagely.v1.secret_pb2_grpc import SecretServiceAsyncStub

VALUE = b"correct-horse-battery-staple"
ENCODINGS = [VALUE.decode(), VALUE.hex(), base64.b64encode(VALUE).decode()]


async def fetch_ciphertext(database_url: str, secret_id: str) -> str:
    [[text]] = await execute(database_url, "SELECT encrypted_value FROM secrets WHERE id = %s", secret_id)
    return str(text)


async def overwrite_ciphertext(database_url: str, secret_id: str, text: str) -> None:
    await execute(database_url, "UPDATE secrets SET encrypted_value = %s WHERE id = %s", text, secret_id)


async def test_row_contains_no_plaintext_value(
    secrets: SecretServiceAsyncStub, project_id: str, database_url: str
) -> None:
    secret = await make_secret(secrets, project_id, value=VALUE)
    await set_secret(secrets, project_id, value=VALUE)

    [[row]] = await execute(database_url, "SELECT CAST(secrets AS text) FROM secrets WHERE id = %s", secret.id)

    assert secret.id in row
    assert [encoding for encoding in ENCODINGS if encoding in row] == []


async def test_logs_and_errors_contain_no_value(
    secrets: SecretServiceAsyncStub, project_id: str, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with structlog.testing.capture_logs() as logs, caplog.at_level(logging.DEBUG):
        secret = await make_secret(secrets, project_id, value=VALUE)
        await value_of(secrets, id=secret.id)
        await resolve(secrets, project_id)
        with refused(grpc.StatusCode.INVALID_ARGUMENT) as invalid:
            await set_secret(secrets, project_id, value=VALUE * 3000, key="no key")
        await overwrite_ciphertext(database_url, secret.id, (await fetch_ciphertext(database_url, secret.id))[:-8])
        with refused(grpc.StatusCode.DATA_LOSS) as lost:
            await value_of(secrets, id=secret.id)

    written = repr(logs) + caplog.text + repr(invalid) + repr(lost)
    assert "SetSecret" in written
    assert [encoding for encoding in ENCODINGS if encoding in written] == []


async def test_ciphertext_of_another_secret_is_data_loss(
    secrets: SecretServiceAsyncStub, project_id: str, database_url: str
) -> None:
    one, other = [await make_secret(secrets, project_id, key=key, value=VALUE) for key in ("ONE", "OTHER")]
    await overwrite_ciphertext(database_url, other.id, await fetch_ciphertext(database_url, one.id))

    with refused(grpc.StatusCode.DATA_LOSS, reason="CIPHERTEXT_INVALID") as refusal:
        await value_of(secrets, id=other.id)

    assert "'OTHER'" in refusal.message
    assert await fetch_ciphertext(database_url, one.id) not in repr(refusal)
    assert await value_of(secrets, id=one.id) == VALUE


@pytest.mark.parametrize("position", [0, 1, 2, 5, 20, 34, 35, 40, 60, -1])
async def test_changed_ciphertext_is_data_loss(
    secrets: SecretServiceAsyncStub, project_id: str, database_url: str, position: int
) -> None:
    secret = await make_secret(secrets, project_id, value=VALUE)
    text = list(await fetch_ciphertext(database_url, secret.id))
    text[position] = "A" if text[position] != "A" else "B"
    await overwrite_ciphertext(database_url, secret.id, "".join(text))

    with refused(grpc.StatusCode.DATA_LOSS):
        await value_of(secrets, id=secret.id)


@pytest.mark.parametrize("length", [0, 1, 35, 60, -1])
async def test_truncated_ciphertext_is_data_loss(
    secrets: SecretServiceAsyncStub, project_id: str, database_url: str, length: int
) -> None:
    secret = await make_secret(secrets, project_id, value=VALUE)
    await overwrite_ciphertext(database_url, secret.id, (await fetch_ciphertext(database_url, secret.id))[:length])

    with refused(grpc.StatusCode.DATA_LOSS):
        await value_of(secrets, id=secret.id)


async def test_invalid_ciphertext_fails_its_own_access_and_the_resolution_of_all(
    secrets: SecretServiceAsyncStub, project_id: str, database_url: str
) -> None:
    good, bad = [await make_secret(secrets, project_id, key=key, value=VALUE) for key in ("GOOD", "BAD")]
    await overwrite_ciphertext(database_url, bad.id, "plaintext")

    assert await value_of(secrets, id=good.id) == VALUE
    assert (await get_secret(secrets, id=bad.id)).key == "BAD"
    listed = await secrets.ListSecrets(secret_pb2.ListSecretsRequest(project_id=project_id))
    assert [secret.key for secret in listed.secrets] == ["BAD", "GOOD"]
    with refused(grpc.StatusCode.DATA_LOSS, reason="CIPHERTEXT_INVALID") as refusal:
        await resolve(secrets, project_id)
    assert "'BAD'" in refusal.message


async def test_invalid_ciphertext_of_an_overridden_secret_is_ignored(
    secrets: SecretServiceAsyncStub, project_id: str, database_url: str
) -> None:
    bad = await make_secret(secrets, project_id, key="A")
    await make_secret(secrets, project_id, key="A", scope="backend", value=VALUE)
    await overwrite_ciphertext(database_url, bad.id, "plaintext")

    assert [one.value for one in await resolve(secrets, project_id, "backend")] == [VALUE]


async def test_setting_the_secret_again_replaces_an_invalid_ciphertext(
    secrets: SecretServiceAsyncStub, project_id: str, database_url: str
) -> None:
    bad = await make_secret(secrets, project_id)
    await overwrite_ciphertext(database_url, bad.id, "plaintext")

    await set_secret(secrets, project_id, value=VALUE)

    assert await value_of(secrets, id=bad.id) == VALUE


async def test_invalid_data_key_is_data_loss_for_reads_and_writes(
    secrets: SecretServiceAsyncStub, server: Server, project_id: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = await make_secret(secrets, project_id, value=VALUE)
    statement = """
        UPDATE data_keys SET wrapped_key = left(wrapped_key, -4)
        WHERE team_id = (SELECT team_id FROM projects WHERE id = %s)
    """
    await execute(database_url, statement, project_id)
    monkeypatch.setattr(server._keyring, "_data_keys", _DataKeyCache(10))

    for call in (set_secret(secrets, project_id), value_of(secrets, id=secret.id), resolve(secrets, project_id)):
        with refused(grpc.StatusCode.DATA_LOSS, reason="DATA_KEY_INVALID"):
            await call


@pytest.fixture
async def secret_id_of_another_server(fresh_database_url: str) -> str:
    """The id of a secret that another server stored in the database."""
    async with running_server(fresh_database_url) as server, connected(server) as channel:
        project_id = await make_project(team_pb2_grpc.TeamServiceStub(channel), fresh_database_url)
        secret = await make_secret(secret_pb2_grpc.SecretServiceStub(channel), project_id, value=VALUE)
    return secret.id


async def test_server_decrypts_the_secret_of_another_server(
    fresh_database_url: str, secret_id_of_another_server: str
) -> None:
    async with running_server(fresh_database_url) as server, connected(server) as channel:
        secrets = secret_pb2_grpc.SecretServiceStub(channel)

        assert await value_of(secrets, id=secret_id_of_another_server) == VALUE


@pytest.mark.parametrize("key", ["a0" * 32, None])
@pytest.mark.usefixtures("secret_id_of_another_server")
async def test_server_without_the_encryption_key_of_the_data_does_not_start(
    fresh_database_url: str, key: str | None
) -> None:
    server = Server(
        Settings(database_url=fresh_database_url, redis_url="redis://127.0.0.1:1", encryption_key=key, port=0)
    )
    [[key_id]] = await execute(fresh_database_url, "SELECT key_encryption_key_id FROM data_keys")

    with pytest.raises(StartupError) as refusal:
        await server.start()
    await server.stop()

    line = str(refusal.value)
    assert key_id in line
    assert "ENCRYPTION_KEY" in line
    assert "\n" not in line
    assert ENCRYPTION_KEY not in line
    assert "a0a0" not in line


async def test_server_without_an_encryption_key_refuses_only_values(fresh_database_url: str) -> None:
    async with running_server(fresh_database_url, encryption_key=None) as server, connected(server) as channel:
        project_id = await make_project(team_pb2_grpc.TeamServiceStub(channel), fresh_database_url)
        secrets = secret_pb2_grpc.SecretServiceStub(channel)
        statement = """
            INSERT INTO secrets (project_id, key, encrypted_value) VALUES (%s, 'A', 'v1.sealed') RETURNING id::text
        """
        [[secret_id]] = await execute(fresh_database_url, statement, project_id)

        assert (await get_secret(secrets, id=secret_id)).key == "A"
        for call in (set_secret(secrets, project_id), value_of(secrets, id=secret_id), resolve(secrets, project_id)):
            with refused(grpc.StatusCode.FAILED_PRECONDITION, reason="ENCRYPTION_KEY_MISSING"):
                await call
