from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc

from stagely.v1 import secret_pb2
from tests.support.refusals import refused
from tests.support.secrets import ENV, FILE, make_file, make_secret, set_secret

if TYPE_CHECKING:
    from stagely.v1.secret_pb2_grpc import SecretServiceAsyncStub


async def list_secrets(
    secrets: SecretServiceAsyncStub, project_id: str, **given: Any
) -> secret_pb2.ListSecretsResponse:
    return await secrets.ListSecrets(secret_pb2.ListSecretsRequest(project_id=project_id, **given))


async def keys_of(secrets: SecretServiceAsyncStub, project_id: str, **given: Any) -> list[str]:
    return [secret.key for secret in (await list_secrets(secrets, project_id, **given)).secrets]


async def test_secrets_are_listed_newest_first(secrets: SecretServiceAsyncStub, project_id: str) -> None:
    made = [await make_secret(secrets, project_id, key=key) for key in "BAC"]
    await set_secret(secrets, project_id, key="B")

    assert await keys_of(secrets, project_id) == ["C", "A", "B"]
    assert (await list_secrets(secrets, project_id)).secrets[0] == made[-1]


async def test_project_without_secrets_has_an_empty_list(secrets: SecretServiceAsyncStub, project_id: str) -> None:
    assert await list_secrets(secrets, project_id) == secret_pb2.ListSecretsResponse()


async def test_list_contains_only_its_project(
    secrets: SecretServiceAsyncStub, project_id: str, other_project_id: str
) -> None:
    await make_secret(secrets, project_id, key="MINE")
    await make_secret(secrets, other_project_id, key="THEIRS")

    assert await keys_of(secrets, project_id) == ["MINE"]


async def test_secrets_are_filtered_by_scope_and_type(secrets: SecretServiceAsyncStub, project_id: str) -> None:
    await make_secret(secrets, project_id, key="A")
    await make_secret(secrets, project_id, key="B", scope="backend")
    await make_file(secrets, project_id, key="C", scope="backend")

    assert await keys_of(secrets, project_id, scope="global") == ["A"]
    assert await keys_of(secrets, project_id, scope="backend") == ["C", "B"]
    assert await keys_of(secrets, project_id, secret_type=ENV) == ["B", "A"]
    assert await keys_of(secrets, project_id, secret_type=FILE) == ["C"]
    assert await keys_of(secrets, project_id, scope="backend", secret_type=ENV) == ["B"]
    assert await keys_of(secrets, project_id, scope="frontend") == []


async def test_pages_contain_every_secret_once(secrets: SecretServiceAsyncStub, project_id: str) -> None:
    for number in range(7):
        await make_secret(secrets, project_id, key=f"K{number}")
    pages: list[list[str]] = []
    token = ""
    while not pages or token:
        page = await list_secrets(secrets, project_id, page_size=3, page_token=token)
        pages.append([secret.key for secret in page.secrets])
        token = page.next_page_token

    assert pages == [["K6", "K5", "K4"], ["K3", "K2", "K1"], ["K0"]]


async def test_page_token_with_other_filters_is_refused(secrets: SecretServiceAsyncStub, project_id: str) -> None:
    for key in "ABC":
        await make_secret(secrets, project_id, key=key)
    token = (await list_secrets(secrets, project_id, page_size=1)).next_page_token

    for other in ({"scope": "global"}, {"secret_type": ENV}):
        with refused(grpc.StatusCode.INVALID_ARGUMENT, field="page_token", reason="PAGE_TOKEN_INVALID"):
            await list_secrets(secrets, project_id, page_token=token, **other)
    assert await keys_of(secrets, project_id, page_token=token, page_size=2) == ["B", "A"]


async def test_malformed_page_token_and_page_size_are_refused(secrets: SecretServiceAsyncStub, project_id: str) -> None:
    with refused(grpc.StatusCode.INVALID_ARGUMENT, field="page_token"):
        await list_secrets(secrets, project_id, page_token="AAAA")
    with refused(grpc.StatusCode.INVALID_ARGUMENT, field="page_size"):
        await list_secrets(secrets, project_id, page_size=-1)
