"""What a client sends again, what it does not, and that nothing is done twice."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import grpc
import pytest

from stagely_rpc import client
from stagely_rpc.client import StagelyError, connect, connect_sync
from stagely_rpc.client.retries import may_be_repeated, retried_codes, service_config
from stagely_rpc.client.services import SERVICES
from tests.support import notes
from tests.support.client.proxy import proxied
from tests.support.client.recorder import recording
from tests.support.eventually import eventually
from tests.support.methods import METHODS
from tests.support.methods import SERVICES as CONTRACT
from tests.support.rpc import running_server

if TYPE_CHECKING:
    from stagely_rpc.client import Stagely
    from stagely_rpc.server.server import Server
    from tests.support.client.recorder import Recorder

SOME_ID = "0b5a2a6e-54f0-4c0e-9f0b-7f1d5a0f3c11"
UNAVAILABLE, ABORTED, CANCELLED = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED, grpc.StatusCode.CANCELLED
NOT_FINAL = {grpc.StatusCode.OK, UNAVAILABLE, CANCELLED, grpc.StatusCode.UNAUTHENTICATED}
FINAL = [code for code in grpc.StatusCode if code not in NOT_FINAL]

RPCS = [method for service in CONTRACT for method in service.methods]


def test_every_rpc_of_the_contract_is_safe_to_retry() -> None:
    assert {method.full_name for method in RPCS if not may_be_repeated(method)} == set()


def test_writing_stream_of_requests_is_not_retried() -> None:
    repeated = {name for name, method in notes.SERVICE.methods_by_name.items() if may_be_repeated(method)}

    assert repeated == {"GetNote", "WatchNotes", "TailNotes", "ListenNotes"}


def test_every_rpc_of_the_contract_has_a_retry_policy() -> None:
    policies = json.loads(service_config(SERVICES))["methodConfig"]

    assert sorted(f"{name['service']}/{name['method']}" for policy in policies for name in policy["name"]) == sorted(
        method.path.removeprefix("/") for method in METHODS
    )


def test_request_with_an_etag_is_not_retried_after_aborted() -> None:
    retried = {method.full_name for method in RPCS if "ABORTED" in retried_codes(method)}

    assert retried == {method.full_name for method in RPCS if "etag" not in method.input_type.fields_by_name}
    assert "stagely.v1.TeamService.CreateTeam" in retried
    assert "stagely.v1.TeamService.UpdateTeam" not in retried


async def test_write_is_retried_with_the_same_request_id(recorder: Recorder) -> None:
    recorder.answers = [UNAVAILABLE, ABORTED, UNAVAILABLE]

    async with connect(recorder.target) as stagely:
        await stagely.teams.create(slug="web", name="Web")

    assert len(recorder.received) == 4
    assert len({received.request.request_id for received in recorder.received}) == 1
    assert recorder.received[0].request.request_id


async def test_write_is_retried_with_the_same_request_id_without_asyncio(recorder: Recorder) -> None:
    recorder.answers = [UNAVAILABLE, ABORTED]

    def create() -> None:
        with connect_sync(recorder.target) as stagely:
            stagely.teams.create(slug="web", name="Web")

    await asyncio.to_thread(create)

    assert len(recorder.received) == 3
    assert len({received.request.request_id for received in recorder.received}) == 1


async def test_call_that_a_stopping_server_cancels_is_retried(recorder: Recorder) -> None:
    recorder.answers = [CANCELLED]

    async with connect(recorder.target) as stagely:
        await stagely.teams.update(SOME_ID, name="New")

    assert len(recorder.received) == 2


async def test_call_that_the_caller_cancels_is_not_retried(recorder: Recorder) -> None:
    recorder.answers = [UNAVAILABLE] * 100

    async with connect(recorder.target) as stagely:
        getting = asyncio.create_task(stagely.teams.get(SOME_ID))
        while not recorder.received:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        getting.cancel()
        await asyncio.wait([getting])
        sent = len(recorder.received)
        await asyncio.sleep(1)

    assert getting.cancelled()
    assert len(recorder.received) == sent


async def test_retries_are_limited(recorder: Recorder) -> None:
    recorder.answers = [UNAVAILABLE] * 100

    async with connect(recorder.target) as stagely:
        with pytest.raises(client.UnavailableError):
            await stagely.teams.get(SOME_ID)

    assert len(recorder.received) == 5


async def test_retries_end_with_the_deadline(recorder: Recorder) -> None:
    recorder.answers = [UNAVAILABLE] * 100

    async with connect(recorder.target) as stagely:
        with pytest.raises(client.DeadlineExceededError):
            await stagely.teams.get(SOME_ID, timeout=0.1)


async def test_failing_service_gets_no_more_retries(recorder: Recorder) -> None:
    recorder.answers = [UNAVAILABLE] * 1000

    async with connect(recorder.target) as stagely:
        failures = await asyncio.gather(*(stagely.teams.get(SOME_ID) for _ in range(60)), return_exceptions=True)

    assert {type(failure) for failure in failures} == {client.UnavailableError}
    assert len(recorder.received) < 2 * 60


@pytest.mark.parametrize("code", FINAL, ids=lambda code: code.name)
async def test_aborted_with_an_etag_is_final(recorder: Recorder, code: grpc.StatusCode) -> None:
    recorder.answers = [code]

    async with connect(recorder.target) as stagely:
        with pytest.raises(StagelyError):
            await stagely.teams.update(SOME_ID, name="New")

    assert len(recorder.received) == 1


async def test_largest_request_is_retried_too(recorder: Recorder) -> None:
    recorder.answers = [UNAVAILABLE]
    value = b"v" * (4 * 1024 * 1024 - 1024)

    async with connect(recorder.target) as stagely:
        await stagely.secrets.set(project_id=SOME_ID, key="KEY", value=value)

    assert [len(received.request.value) for received in recorder.received] == [len(value)] * 2


async def test_call_waits_for_a_restarting_server(fresh_database_url: str) -> None:
    async with running_server(fresh_database_url) as server:
        port = server.port
        stagely = connect(f"127.0.0.1:{port}")
        team = await stagely.teams.create(slug="web", name="Web")
    async with stagely:
        updating = asyncio.create_task(stagely.teams.update(team.id, name="New"))
        await asyncio.sleep(0.3)
        assert not updating.done()

        async with running_server(fresh_database_url, port=port):
            assert (await updating).name == "New"


async def test_service_is_found_soon_after_a_long_outage(closed_port: int) -> None:
    async with connect(f"127.0.0.1:{closed_port}") as stagely:
        for _ in range(4):  # 3 s each: as long as it takes until gRPC by itself would wait too long
            with pytest.raises(client.UnavailableError):
                await stagely.teams.get(SOME_ID)

        async with recording(port=closed_port) as recorder:
            await stagely.teams.get(SOME_ID)

    assert len(recorder.received) == 1


async def test_lost_response_is_retried_without_a_second_effect(server: Server, stagely: Stagely, slug: str) -> None:
    async def is_there() -> bool:
        return [team async for team in stagely.teams.list(user_id=None) if team.slug == slug] != []

    async with proxied(server.port) as proxy, connect(f"127.0.0.1:{proxy.port}") as distant:
        await distant.ids.generate()
        proxy.hold_answers()
        creating = asyncio.create_task(distant.teams.create(slug=slug, name="Acme"))
        await eventually(is_there, expected=True)
        assert not creating.done()
        proxy.cut()

        team = await creating

    assert team == await stagely.teams.get(slug=slug)


async def test_calls_are_balanced_over_all_addresses() -> None:
    async with recording() as one, recording() as other, connect(f"ipv4:{one.target},{other.target}") as stagely:
        for _ in range(20):
            await stagely.teams.get(SOME_ID)

    counts = len(one.received), len(other.received)
    assert sum(counts) == 20
    assert min(counts) >= 8


async def test_unreachable_address_is_skipped(closed_port: int) -> None:
    async with recording() as one, connect(f"ipv4:127.0.0.1:{closed_port},{one.target}") as stagely:
        for _ in range(10):
            await stagely.teams.get(SOME_ID)

    assert len(one.received) == 10


async def test_every_call_has_a_deadline(recorder: Recorder) -> None:
    async with connect(recorder.target) as usual, connect(recorder.target, timeout=3) as short:
        await usual.teams.get(SOME_ID)
        await short.teams.get(SOME_ID)
        await usual.teams.get(SOME_ID, timeout=60)
        await anext(usual.teams.list().pages())

    left = [received.seconds_left for received in recorder.received]
    assert left == pytest.approx([10, 3, 60, 10], abs=0.5)


async def test_every_call_has_a_deadline_without_asyncio(recorder: Recorder) -> None:
    def call() -> None:
        with connect_sync(recorder.target) as usual, connect_sync(recorder.target, timeout=3) as short:
            usual.teams.get(SOME_ID)
            short.teams.get(SOME_ID)
            usual.teams.get(SOME_ID, timeout=60)

    await asyncio.to_thread(call)

    left = [received.seconds_left for received in recorder.received]
    assert left == pytest.approx([10, 3, 60], abs=0.5)


async def test_stream_has_a_deadline_only_if_given(recorder: Recorder) -> None:
    async with connect(recorder.target) as stagely:
        await anext(stagely.audit.verify_log())
        await anext(stagely.audit.verify_log(timeout=60))

    without, given = (received.seconds_left for received in recorder.received)
    assert without is None
    assert given == pytest.approx(60, abs=0.5)
