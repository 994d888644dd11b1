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
    """Five clients, each on its own channel."""
    async with AsyncExitStack() as stack:
        channels = [await stack.enter_async_context(connected(server)) for _ in range(5)]
        yield [secret_pb2_grpc.SecretServiceStub(channel) for channel in channels]


async def test_parallel_sets_of_a_new_key_create_one_secret(
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


async def test_one_of_many_sets_with_one_etag_succeeds(callers: list[SecretServiceAsyncStub], project_id: str) -> None:
    secret = await make_secret(callers[0], project_id)

    answers = await asyncio.gather(
        *(set_secret(callers[number % 5], project_id, value=b"%d" % number, etag=secret.etag) for number in range(20)),
        return_exceptions=True,
    )

    [winner] = [number for number, answer in enumerate(answers) if isinstance(answer, secret_pb2.SetSecretResponse)]
    lost = {answer.code() for answer in answers if isinstance(answer, grpc.aio.AioRpcError)}
    assert lost == {grpc.StatusCode.ABORTED}
    assert await value_of(callers[0], id=secret.id) == b"%d" % winner


async def test_one_of_many_deletions_with_one_etag_succeeds(
    callers: list[SecretServiceAsyncStub], project_id: str
) -> None:
    secret = await make_secret(callers[0], project_id)

    answers = await asyncio.gather(
        *(delete_secret(callers[number % 5], id=secret.id, etag=secret.etag) for number in range(20)),
        return_exceptions=True,
    )

    assert answers.count(None) == 1
    lost = {answer.code() for answer in answers if isinstance(answer, grpc.aio.AioRpcError)}
    assert lost == {grpc.StatusCode.NOT_FOUND}


async def test_secret_is_usable_after_parallel_sets_and_deletions(
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


async def test_writes_wait_for_the_deletion_of_the_team_and_are_refused(
    secrets: SecretServiceAsyncStub, project_id: str, database_url: str
) -> None:
    secret = await make_secret(secrets, project_id)
    team_id = await team_of(database_url, project_id)
    async with await psycopg.AsyncConnection.connect(database_url) as deleting:
        await deleting.execute("UPDATE teams SET deleted_at = now() WHERE id = %s", [team_id])
        waiting = [
            asyncio.create_task(set_secret(secrets, project_id, key="NEW")),
            asyncio.create_task(set_secret(secrets, project_id)),
            asyncio.create_task(delete_secret(secrets, id=secret.id)),
        ]
        done, _ = await asyncio.wait(waiting, timeout=0.3)
        assert not done
        await deleting.commit()

    for call in waiting:
        with refused(grpc.StatusCode.FAILED_PRECONDITION, reason="TEAM_DELETED"):
            await call
    assert await get_secret(secrets, id=secret.id) == secret


async def test_set_waits_for_the_deletion_of_the_project_and_is_refused(
    secrets: SecretServiceAsyncStub, project_id: str, database_url: str
) -> None:
    async with await psycopg.AsyncConnection.connect(database_url) as deleting:
        await deleting.execute("DELETE FROM projects WHERE id = %s", [project_id])
        waiting = asyncio.create_task(set_secret(secrets, project_id))
        done, _ = await asyncio.wait([waiting], timeout=0.3)
        assert not done
        await deleting.commit()

    with refused(grpc.StatusCode.NOT_FOUND) as refusal:
        await waiting
    assert refusal.message == f"Project {project_id!r} not found"
