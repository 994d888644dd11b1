from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import grpc
import psycopg
import pytest

from stagely.v1 import secret_pb2, secret_pb2_grpc
from tests.support.refusals import refused
from tests.support.rpc import connected
from tests.support.secrets import (
    delete_secret,
    execute,
    get_secret,
    make_secret,
    name_of,
    set_secret,
    team_of,
    value_of,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stagely.v1.secret_pb2_grpc import SecretServiceAsyncStub
    from stagely_rpc.server.server import Server


@pytest.fixture
async def callers(server: Server) -> AsyncIterator[list[SecretServiceAsyncStub]]:
    """Clients with connections of their own."""
    async with AsyncExitStack() as stack:
        channels = [await stack.enter_async_context(connected(server)) for _ in range(5)]
        yield [secret_pb2_grpc.SecretServiceStub(channel) for channel in channels]


async def test_fifty_who_set_one_new_key_make_one_secret(
    callers: list[SecretServiceAsyncStub], project_id: str, database_url: str
) -> None:
    values = [b"value %d" % number for number in range(50)]

    answers = await asyncio.gather(
        *(set_secret(callers[number % 5], project_id, value=value) for number, value in enumerate(values))
    )

    assert len({answer.secret.id for answer in answers}) == 1
    assert sum(answer.created for answer in answers) == 1
    assert len({answer.secret.etag for answer in answers}) == 50
    rows = await execute(database_url, "SELECT row_version FROM secrets WHERE project_id = %s", project_id)
    assert rows == [(50,)]
    assert await value_of(callers[0], id=answers[0].secret.id) in values


async def test_of_many_who_saw_one_version_one_wins(callers: list[SecretServiceAsyncStub], project_id: str) -> None:
    seen = await make_secret(callers[0], project_id)

    answers = await asyncio.gather(
        *(set_secret(callers[number % 5], project_id, value=b"%d" % number, etag=seen.etag) for number in range(20)),
        return_exceptions=True,
    )

    [won] = [number for number, answer in enumerate(answers) if isinstance(answer, secret_pb2.SetSecretResponse)]
    lost = {answer.code() for answer in answers if isinstance(answer, grpc.aio.AioRpcError)}
    assert lost == {grpc.StatusCode.ABORTED}
    assert await value_of(callers[0], id=seen.id) == b"%d" % won


async def test_of_many_who_delete_what_they_saw_one_wins(
    callers: list[SecretServiceAsyncStub], project_id: str
) -> None:
    seen = await make_secret(callers[0], project_id)

    answers = await asyncio.gather(
        *(delete_secret(callers[number % 5], id=seen.id, etag=seen.etag) for number in range(20)),
        return_exceptions=True,
    )

    assert answers.count(None) == 1
    lost = {answer.code() for answer in answers if isinstance(answer, grpc.aio.AioRpcError)}
    assert lost == {grpc.StatusCode.NOT_FOUND}


async def test_setting_and_deleting_at_once_leaves_one_readable_secret_or_none(
    callers: list[SecretServiceAsyncStub], project_id: str
) -> None:
    name = name_of(await make_secret(callers[0], project_id))

    for _ in range(5):
        answers = await asyncio.gather(
            *(set_secret(callers[number % 5], project_id, value=b"set") for number in range(10)),
            *(delete_secret(callers[number % 5], name=name) for number in range(10)),
            return_exceptions=True,
        )
        codes = {answer.code() for answer in answers if isinstance(answer, grpc.aio.AioRpcError)}
        assert codes <= {grpc.StatusCode.NOT_FOUND}

        await set_secret(callers[0], project_id, value=b"last")
        assert await value_of(callers[0], name=name) == b"last"


async def test_a_team_that_is_being_deleted_gets_no_secret(
    secrets: SecretServiceAsyncStub, project_id: str, database_url: str
) -> None:
    secret = await make_secret(secrets, project_id)
    team_id = await team_of(database_url, project_id)
    async with await psycopg.AsyncConnection.connect(database_url) as deleting:
        await deleting.execute("UPDATE teams SET deleted_at = now() WHERE id = %s", [team_id])
        late = [
            asyncio.create_task(set_secret(secrets, project_id, key="NEW")),
            asyncio.create_task(set_secret(secrets, project_id)),
            asyncio.create_task(delete_secret(secrets, id=secret.id)),
        ]
        done, _ = await asyncio.wait(late, timeout=0.3)
        assert not done
        await deleting.commit()

    for call in late:
        with refused(grpc.StatusCode.FAILED_PRECONDITION, reason="TEAM_DELETED"):
            await call
    assert await get_secret(secrets, id=secret.id) == secret


async def test_a_project_that_is_being_deleted_gets_no_secret(
    secrets: SecretServiceAsyncStub, project_id: str, database_url: str
) -> None:
    async with await psycopg.AsyncConnection.connect(database_url) as deleting:
        await deleting.execute("DELETE FROM projects WHERE id = %s", [project_id])
        late = asyncio.create_task(set_secret(secrets, project_id))
        done, _ = await asyncio.wait([late], timeout=0.3)
        assert not done
        await deleting.commit()

    with refused(grpc.StatusCode.NOT_FOUND) as refusal:
        await late
    assert refusal.message == f"Project {project_id!r} not found"
