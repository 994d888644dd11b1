"""A stopping server ends its streams after the pause, and waits for unary calls."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from stagely_rpc.draining import Draining
from stagely_rpc.interceptors.context import ContextInterceptor
from stagely_rpc.interceptors.draining import DrainingInterceptor
from stagely_rpc.interceptors.errors import ErrorInterceptor
from tests.support.chained import chained
from tests.support.eventually import eventually
from tests.support.forms import FORMS, Notes, start_call, texts_of
from tests.support.note_server import Board, NoteServer
from tests.support.notes import PATHS, message_class, stub
from tests.support.refusals import refused
from tests.support.rpc import connected, settings_of

if TYPE_CHECKING:
    from collections.abc import Sequence

PAUSE_SECONDS, GRACE_SECONDS = 0.5, 20


async def new_server(database_url: str, board: Board) -> NoteServer:
    settings = settings_of(
        database_url, shutdown_pause_seconds=PAUSE_SECONDS, shutdown_grace_seconds=GRACE_SECONDS, environment="test"
    )
    server = NoteServer(settings, board, reauthorize_seconds=60)
    await server.start()
    return server


def watch(channel: grpc.aio.Channel) -> Any:
    return stub(channel).WatchNotes(message_class("WatchNotesRequest")())


async def read(call: Any, count: int) -> Sequence[str]:
    return [(await call.read()).text for _ in range(count)]


async def test_streams_continue_during_the_pause_and_then_end_with_a_resume_token(database_url: str) -> None:
    board = Board()
    board.add("one")
    server = await new_server(database_url, board)
    async with connected(server) as channel:
        call = watch(channel)
        assert await read(call, 1) == ["one"]
        began = time.monotonic()
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(PAUSE_SECONDS / 2)
        board.add("two")
        assert await read(call, 1) == ["two"]

        with refused(grpc.StatusCode.UNAVAILABLE, reason="SERVER_DRAINING") as refusal:
            await call.read()

        assert refusal.details["ErrorInfo"].metadata["resume_token"] == "2"
        assert refusal.details["RetryInfo"].retry_delay.ToMilliseconds() == 200
        await stopping
        assert PAUSE_SECONDS <= time.monotonic() - began < GRACE_SECONDS / 4


async def test_unary_call_ends_normally_while_the_server_drains(database_url: str) -> None:
    board = Board()
    board.may_answer.clear()
    server = await new_server(database_url, board)
    async with connected(server) as channel:
        pending = stub(channel).GetNote(message_class("GetNoteRequest")(text="late"))

        async def texts() -> list[str]:
            return board.texts

        await eventually(texts, ["late"])
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(2 * PAUSE_SECONDS)
        assert not pending.done()
        board.may_answer.set()

        assert (await pending).text == "late"
        await stopping


async def test_health_watch_reports_not_serving_and_ends_with_ok(database_url: str) -> None:
    server = await new_server(database_url, Board())
    async with connected(server) as channel:
        call = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await call.read()).status == health_pb2.HealthCheckResponse.SERVING
        stopping = asyncio.create_task(server.stop())

        assert (await call.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK
        await stopping


async def test_new_stream_is_refused_while_the_server_drains() -> None:
    draining, notes = Draining(), Notes(FORMS[1])
    draining.begin()
    chain = ContextInterceptor(), ErrorInterceptor(), DrainingInterceptor(draining, PATHS.values())

    async with chained(notes.handler(), *chain) as channel:
        with refused(grpc.StatusCode.UNAVAILABLE, reason="SERVER_DRAINING"):
            await texts_of(start_call(channel, FORMS[1]))

    assert notes.runs == 0


async def test_servicer_can_wait_for_the_drain() -> None:
    draining = Draining()
    waiting = asyncio.create_task(draining.wait())
    await asyncio.sleep(0)
    assert not waiting.done()

    draining.begin()

    await asyncio.wait_for(waiting, 1)
    assert draining.has_begun
