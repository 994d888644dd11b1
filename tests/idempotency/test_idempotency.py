from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

import grpc
import psycopg
import pytest

from stagely.v1 import secret_pb2, team_pb2, team_pb2_grpc
from stagely_rpc.db.idempotency import Expiry
from tests.support.databases import database_at
from tests.support.methods import METHODS
from tests.support.refusals import refused
from tests.support.rpc import connected, running_server
from tests.support.seeds import seed
from tests.support.world import Renewable, World, call_rpc, make_world

if TYPE_CHECKING:
    from tests.support.methods import Method

COPIES = 50
CHANGING = [method for method in METHODS if method.changes_something]


def new_team(**overrides: Any) -> team_pb2.CreateTeamRequest:
    given = {"slug": f"team-{uuid.uuid4().hex[:12]}", "name": "Web", "request_id": str(uuid.uuid4())} | overrides
    return team_pb2.CreateTeamRequest(**given)


async def count(url: str, query: str, *parameters: object) -> int:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        row = await (await connection.execute(query, parameters)).fetchone()
    assert row is not None
    return int(row[0])


async def rows_of(url: str, request_id: str) -> int:
    return await count(url, "SELECT count(*) FROM idempotency_keys WHERE request_id = %s", request_id)


@pytest.fixture(scope="module")
async def world(channel: grpc.aio.Channel) -> World:
    return await make_world(channel)


@pytest.mark.parametrize("method", CHANGING, ids=str)
async def test_retry_gets_the_stored_response_and_changes_nothing(
    channel: grpc.aio.Channel, database_url: str, method: Method
) -> None:
    world = await make_world(channel)
    request = seed(method.name, await Renewable(channel, method.name, world).ready())

    first = await call_rpc(channel, method.name, request)
    audited = await count(database_url, "SELECT count(*) FROM audit_logs")
    again = await call_rpc(channel, method.name, request)

    assert first.SerializeToString(deterministic=True) == again.SerializeToString(deterministic=True)
    assert await count(database_url, "SELECT count(*) FROM audit_logs") == audited


async def test_same_id_with_another_body_is_refused(channel: grpc.aio.Channel) -> None:
    request = new_team()
    await call_rpc(channel, "TeamService.CreateTeam", request)

    with refused(grpc.StatusCode.INVALID_ARGUMENT, reason="REQUEST_ID_REUSED", field="request_id"):
        await call_rpc(channel, "TeamService.CreateTeam", new_team(request_id=request.request_id))


async def test_same_id_with_another_rpc_is_refused(channel: grpc.aio.Channel) -> None:
    request = new_team()
    team = (await call_rpc(channel, "TeamService.CreateTeam", request)).team

    with refused(grpc.StatusCode.INVALID_ARGUMENT, reason="REQUEST_ID_REUSED", field="request_id"):
        deletion = team_pb2.DeleteTeamRequest(id=team.id, request_id=request.request_id)
        await call_rpc(channel, "TeamService.DeleteTeam", deletion)

    found = await call_rpc(channel, "TeamService.GetTeam", team_pb2.GetTeamRequest(id=team.id))
    assert not found.team.HasField("deleted_at")


@pytest.mark.parametrize("request_id", ["1", "not-a-uuid", "{6ba7b810-9dad-11d1-80b4-00c04fd430c8}", "🚀"])
async def test_id_that_is_not_a_uuid_is_refused(channel: grpc.aio.Channel, request_id: str) -> None:
    with refused(grpc.StatusCode.INVALID_ARGUMENT, field="request_id"):
        await call_rpc(channel, "TeamService.CreateTeam", new_team(request_id=request_id))


async def test_id_is_case_insensitive(channel: grpc.aio.Channel) -> None:
    request = new_team(request_id=str(uuid.uuid4()).upper())
    await call_rpc(channel, "TeamService.CreateTeam", request)

    other = new_team(request_id=request.request_id.lower())
    with refused(grpc.StatusCode.INVALID_ARGUMENT, reason="REQUEST_ID_REUSED"):
        await call_rpc(channel, "TeamService.CreateTeam", other)


async def test_error_is_not_stored(channel: grpc.aio.Channel, database_url: str) -> None:
    taken = new_team()
    first = (await call_rpc(channel, "TeamService.CreateTeam", taken)).team
    request = team_pb2.UndeleteTeamRequest(id=first.id, request_id=str(uuid.uuid4()))

    with refused(grpc.StatusCode.FAILED_PRECONDITION, reason="TEAM_NOT_DELETED"):
        await call_rpc(channel, "TeamService.UndeleteTeam", request)
    assert await rows_of(database_url, request.request_id) == 0

    await call_rpc(channel, "TeamService.DeleteTeam", team_pb2.DeleteTeamRequest(id=first.id))
    assert (await call_rpc(channel, "TeamService.UndeleteTeam", request)).team.id == first.id


async def test_response_without_a_request_id_is_not_stored(fresh_database_url: str) -> None:
    async with running_server(fresh_database_url) as server, connected(server) as channel:
        await call_rpc(channel, "TeamService.CreateTeam", new_team(request_id=""))

    assert await count(fresh_database_url, "SELECT count(*) FROM idempotency_keys") == 0


@pytest.mark.parametrize("replicas", [1, 2])
async def test_fifty_concurrent_copies_have_one_effect_and_equal_responses(
    fresh_database_url: str, replicas: int
) -> None:
    name = "EnvironmentService.CreateEnvironment"
    async with (
        running_server(fresh_database_url) as one,
        running_server(fresh_database_url) as other,
        connected(one) as channel,
        connected(other) as other_channel,
    ):
        # Without a request_id, two equal requests would create two environments.
        request = seed(name, await make_world(channel))
        request.ClearField("pr_number")
        before = await count(fresh_database_url, "SELECT count(*) FROM environments")
        channels = [channel, other_channel][:replicas]

        answers = await asyncio.gather(
            *(call_rpc(channels[number % replicas], name, request) for number in range(COPIES))
        )

    assert len({answer.SerializeToString(deterministic=True) for answer in answers}) == 1
    assert await count(fresh_database_url, "SELECT count(*) FROM environments") == before + 1
    created = "SELECT count(*) FROM audit_logs WHERE action = 'environment.create' AND resource_id = %s"
    assert await count(fresh_database_url, created, answers[0].environment.id) == 1


async def test_all_copies_of_a_failing_request_fail(channel: grpc.aio.Channel) -> None:
    request = team_pb2.UndeleteTeamRequest(id=str(uuid.uuid4()), request_id=str(uuid.uuid4()))

    outcomes = await asyncio.gather(
        *(call_rpc(channel, "TeamService.UndeleteTeam", request) for _ in range(10)), return_exceptions=True
    )

    codes = {outcome.code() for outcome in outcomes if isinstance(outcome, grpc.aio.AioRpcError)}
    assert codes == {grpc.StatusCode.NOT_FOUND}


async def test_stored_response_survives_a_restart(fresh_database_url: str) -> None:
    request = new_team()
    answers = []
    for _ in range(2):
        async with running_server(fresh_database_url) as server, connected(server) as channel:
            answers.append(await team_pb2_grpc.TeamServiceStub(channel).CreateTeam(request))

    assert answers[0] == answers[1]
    assert await count(fresh_database_url, "SELECT count(*) FROM teams") == 1


async def test_retry_under_another_encryption_key_is_aborted(fresh_database_url: str) -> None:
    request = new_team()
    async with running_server(fresh_database_url) as server, connected(server) as channel:
        await call_rpc(channel, "TeamService.CreateTeam", request)

    async with running_server(fresh_database_url, encryption_key="6e" * 32) as server, connected(server) as channel:
        with refused(grpc.StatusCode.ABORTED, reason="ANSWER_UNREADABLE"):
            await call_rpc(channel, "TeamService.CreateTeam", request)

    assert await count(fresh_database_url, "SELECT count(*) FROM teams") == 1


async def test_request_and_response_are_stored_encrypted(
    channel: grpc.aio.Channel, database_url: str, world: World
) -> None:
    marker = f"marker{uuid.uuid4().hex}"
    request = secret_pb2.SetSecretRequest(
        project_id=world.project.id, key=marker.upper(), value=marker.encode(), request_id=str(uuid.uuid4())
    )
    answer = await call_rpc(channel, "SecretService.SetSecret", request)

    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        found = await connection.execute(
            "SELECT sealed_answer FROM idempotency_keys WHERE request_id = %s", [request.request_id]
        )
        (sealed,) = await found.fetchone() or (b"",)
    assert len(sealed) > len(answer.SerializeToString())
    for clear in (marker, marker.upper(), answer.secret.id):
        assert clear.encode() not in sealed


async def test_request_runs_again_after_its_response_expired(channel: grpc.aio.Channel, database_url: str) -> None:
    request = new_team()
    team = (await call_rpc(channel, "TeamService.CreateTeam", request)).team
    await expire(database_url, request.request_id)

    # The request runs again, and conflicts with the team of the first run.
    with refused(grpc.StatusCode.ALREADY_EXISTS, reason="TEAM_SLUG_TAKEN"):
        await call_rpc(channel, "TeamService.CreateTeam", request)
    other = new_team(request_id=request.request_id)
    assert (await call_rpc(channel, "TeamService.CreateTeam", other)).team.id != team.id


async def expire(url: str, request_id: str) -> None:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        statement = "UPDATE idempotency_keys SET expires_at = now() - interval '1 second' WHERE request_id = %s"
        await connection.execute(statement, [request_id])


async def test_response_is_stored_for_the_configured_time(fresh_database_url: str) -> None:
    async with running_server(fresh_database_url, idempotency_ttl_seconds=3600) as server, connected(server) as channel:
        await call_rpc(channel, "TeamService.CreateTeam", new_team())

    in_an_hour = "SELECT count(*) FROM idempotency_keys WHERE expires_at - now() BETWEEN '59 min' AND '1 h'"
    assert await count(fresh_database_url, in_an_hour) == 1


async def test_expired_responses_are_deleted_in_batches_and_others_stay(fresh_database_url: str) -> None:
    add = (
        "INSERT INTO idempotency_keys (caller, request_id, expires_at)"
        " SELECT 'reaper', gen_random_uuid(), now() + {} FROM generate_series(1, {})"
    )
    async with await psycopg.AsyncConnection.connect(fresh_database_url) as connection:
        await connection.execute(add.format("interval '-1 s'", 1234))
        await connection.execute(add.format("interval '1 h'", 10))
    one, other = database_at(fresh_database_url), database_at(fresh_database_url)
    async with await psycopg.AsyncConnection.connect(fresh_database_url) as claiming:
        # A row that a transaction is claiming again is not deleted.
        await claiming.execute("SELECT FROM idempotency_keys WHERE expires_at < now() LIMIT 1 FOR UPDATE")

        await asyncio.gather(Expiry(one).sweep(), Expiry(other).sweep())
    await asyncio.gather(one.close(), other.close())

    assert await count(fresh_database_url, "SELECT count(*) FROM idempotency_keys") == 11
