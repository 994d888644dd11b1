from __future__ import annotations

from typing import TYPE_CHECKING

import grpc

from stagely.v1 import secret_pb2
from stagely_rpc.crypto.envelope import _DataKeyCache
from tests.support.refusals import refused
from tests.support.secrets import ENV, FILE, get_secret, make_file, make_secret, name_of, resolve, value_of
from tests.support.statements import statements

if TYPE_CHECKING:
    import pytest

    from stagely.v1.secret_pb2_grpc import SecretServiceAsyncStub
    from stagely_rpc.server.server import Server


async def test_secrets_of_the_scope_override_global_secrets(secrets: SecretServiceAsyncStub, project_id: str) -> None:
    await make_secret(secrets, project_id, key="ONLY_GLOBAL", value=b"1")
    await make_secret(secrets, project_id, key="BOTH", value=b"2")
    await make_secret(secrets, project_id, key="BOTH", value=b"3", scope="backend")
    await make_secret(secrets, project_id, key="A_OWN", value=b"4", scope="backend")
    await make_secret(secrets, project_id, key="OF_ANOTHER", value=b"5", scope="frontend")

    assert [(one.key, one.value, one.scope) for one in await resolve(secrets, project_id, "backend")] == [
        ("A_OWN", b"4", "backend"),
        ("BOTH", b"3", "backend"),
        ("ONLY_GLOBAL", b"1", "global"),
    ]


async def test_empty_global_and_unknown_scope_resolve_to_global_secrets(
    secrets: SecretServiceAsyncStub, project_id: str
) -> None:
    await make_secret(secrets, project_id, key="A", value=b"1")
    await make_secret(secrets, project_id, key="A", value=b"2", scope="backend")

    assert [one.value for one in await resolve(secrets, project_id)] == [b"1"]
    assert [one.value for one in await resolve(secrets, project_id, "global")] == [b"1"]
    assert [one.value for one in await resolve(secrets, project_id, "unknown")] == [b"1"]


async def test_resolved_secrets_have_the_stored_values(secrets: SecretServiceAsyncStub, project_id: str) -> None:
    await make_secret(secrets, project_id, key="A", value=b"")
    await make_file(
        secrets, project_id, key="tls.key", file_path="/etc/tls.key", file_permissions="400", value=b"\0\xff"
    )

    variable, file = await resolve(secrets, project_id)

    assert variable == secret_pb2.ResolvedSecret(key="A", secret_type=ENV, scope="global")
    assert file == secret_pb2.ResolvedSecret(
        key="tls.key",
        value=b"\0\xff",
        secret_type=FILE,
        file_path="/etc/tls.key",
        file_permissions="0400",
        scope="global",
    )


async def test_resolved_secrets_are_sorted_by_code_point(secrets: SecretServiceAsyncStub, project_id: str) -> None:
    for key in ("b", "_a", "A", "a", "B", "a_", "a1"):
        await make_secret(secrets, project_id, key=key)

    assert [one.key for one in await resolve(secrets, project_id)] == ["A", "B", "_a", "a", "a1", "a_", "b"]


async def test_project_without_secrets_resolves_to_an_empty_list(
    secrets: SecretServiceAsyncStub, project_id: str
) -> None:
    assert await resolve(secrets, project_id, "backend") == []


async def test_file_of_the_scope_overrides_a_global_file_with_the_same_path(
    secrets: SecretServiceAsyncStub, project_id: str
) -> None:
    await make_file(secrets, project_id, key="shared", file_path="/etc/tls.key", value=b"1")
    await make_file(secrets, project_id, key="own", file_path="/etc/tls.key", value=b"2", scope="backend")

    assert [one.key for one in await resolve(secrets, project_id, "backend")] == ["own"]
    assert [one.key for one in await resolve(secrets, project_id, "frontend")] == ["shared"]


async def test_two_files_of_one_scope_with_the_same_path_are_refused(
    secrets: SecretServiceAsyncStub, project_id: str
) -> None:
    for key in ("one", "two"):
        await make_file(secrets, project_id, key=key, file_path="/etc/tls.key", scope="backend")

    with refused(grpc.StatusCode.FAILED_PRECONDITION, reason="SECRET_FILES_CONFLICT") as refusal:
        await resolve(secrets, project_id, "backend")

    assert "'one' and 'two'" in refusal.message
    assert await resolve(secrets, project_id) == []


async def test_get_takes_one_statement_and_access_two(
    secrets: SecretServiceAsyncStub, monkeypatch: pytest.MonkeyPatch, project_id: str
) -> None:
    secret = await make_secret(secrets, project_id)

    with statements(monkeypatch) as by_id:
        await get_secret(secrets, id=secret.id)
    with statements(monkeypatch) as by_name:
        await value_of(secrets, name=name_of(secret))

    assert len(by_id) == 1
    assert [statement.split()[0] for statement in by_name] == ["SELECT", "WITH"]
    assert "projects.team_id" in by_name[0]
    assert "audit_logs" in by_name[1]


async def test_forty_secrets_take_three_statements_and_one_for_an_uncached_data_key(
    secrets: SecretServiceAsyncStub, server: Server, project_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        await make_secret(secrets, project_id, key=f"K{number}")

    monkeypatch.setattr(server._keyring, "_data_keys", _DataKeyCache(10))
    with statements(monkeypatch) as cold:
        assert len(await resolve(secrets, project_id)) == 40
    with statements(monkeypatch) as warm:
        assert len(await resolve(secrets, project_id)) == 40

    assert len(warm) == 3
    assert len(cold) == 4
    assert "data_keys" in cold[2]
