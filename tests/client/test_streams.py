"""Streams of the client: resumed across the ends of connections and servers, and sent; async and not."""

from __future__ import annotations

import asyncio
import time
import uuid
from contextlib import aclosing, asynccontextmanager, closing
from typing import TYPE_CHECKING, Any

import pytest

from stagely_rpc import client
from stagely_rpc.client import connect, connect_sync
from tests.support.client.generated import note_client
from tests.support.client.proxy import proxied
from tests.support.eventually import eventually
from tests.support.note_server import Board, note_server
from tests.support.notes import message_class
from tests.support.tokens import JWT_SECRET, token

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    Watch = Callable[..., Any]

NOTES = note_client()
Upload, Exchange = message_class("UploadNotesRequest"), message_class("ExchangeNotesRequest")
LEEWAY_SECONDS = 30


@asynccontextmanager
async def clients(target: str, **options: Any) -> AsyncIterator[tuple[Any, Any]]:
    """Give both clients of the tests' contract."""
    async with connect(target, **options) as stagely:
        with connect_sync(target, **options) as sync_stagely:
            yield NOTES.Notes(stagely._calls), NOTES.SyncNotes(sync_stagely._calls)


@pytest.fixture
def board() -> Board:
    return Board()


class Reader:
    """Reads streams of both clients at once, each in the background."""

    def __init__(self, notes: Any, sync_notes: Any) -> None:
        self.texts: list[str] = []
        self.sync_texts: list[str] = []
        self._stream = notes.watch(resume_token="0")
        self._sync_stream = sync_notes.watch(resume_token="0", timeout=60)
        self._reading = asyncio.create_task(self._read())
        self._sync_reading = asyncio.create_task(asyncio.to_thread(self._sync_read))

    async def _read(self) -> None:
        async with aclosing(self._stream):
            async for response in self._stream:
                self.texts.append(response.text)
                if response.text == "end":
                    return

    def _sync_read(self) -> None:
        with closing(self._sync_stream):
            for response in self._sync_stream:
                self.sync_texts.append(response.text)
                if response.text == "end":
                    return

    async def expect(self, texts: list[str]) -> None:
        async def read() -> tuple[list[str], list[str]]:
            return self.texts, self.sync_texts

        await eventually(read, (texts, texts), seconds=20)

    async def end(self) -> None:
        await asyncio.wait_for(asyncio.gather(self._reading, self._sync_reading), 20)


async def test_stream_is_resumed_after_a_restart_without_loss_and_without_repetition(
    database_url: str, board: Board
) -> None:
    board.add("one", "two")
    async with note_server(database_url, board) as server:
        port = server.port
        async with clients(f"127.0.0.1:{port}") as (notes, sync_notes):
            reader = Reader(notes, sync_notes)
            await reader.expect(["one", "two"])
            await server.stop()
            board.add("three")
            async with note_server(database_url, board, port=port):
                await reader.expect(["one", "two", "three"])
                board.add("end")
                await reader.end()

    assert reader.texts == reader.sync_texts == ["one", "two", "three", "end"]
    assert sorted(board.start_positions) == ["0", "0", "2", "2"]


async def test_stream_is_resumed_each_time_its_connection_reaches_its_maximum_age(
    database_url: str, board: Board
) -> None:
    given = {"max_connection_age_seconds": 0.5, "max_connection_age_grace_seconds": 0.3}
    async with (
        note_server(database_url, board, **given) as server,
        clients(f"127.0.0.1:{server.port}") as (notes, sync_notes),
    ):
        reader = Reader(notes, sync_notes)
        texts = [str(number) for number in range(60)]
        for text in texts:
            board.add(text)
            await asyncio.sleep(0.05)
        board.add("end")
        await reader.end()

    assert reader.texts == reader.sync_texts == [*texts, "end"]
    assert len(board.start_positions) > 4


async def test_stream_continues_at_another_replica_when_its_own_drains(database_url: str, board: Board) -> None:
    board.add("one")
    async with note_server(database_url, board) as first, note_server(database_url, board) as second:
        target = f"ipv4:127.0.0.1:{first.port},127.0.0.1:{second.port}"
        async with clients(target) as (notes, sync_notes):
            reader = Reader(notes, sync_notes)
            await reader.expect(["one"])
            await first.stop()
            board.add("two")
            await reader.expect(["one", "two"])
            board.add("end")
            await reader.end()

    assert reader.texts == reader.sync_texts == ["one", "two", "end"]


async def test_stream_is_resumed_when_its_connection_is_cut(database_url: str, board: Board) -> None:
    async with (
        note_server(database_url, board) as server,
        proxied(server.port) as proxy,
        clients(f"127.0.0.1:{proxy.port}") as (notes, sync_notes),
    ):
        reader = Reader(notes, sync_notes)
        for number in range(5):
            # Sent and lost: the client has not seen them, and gets them after it has resumed.
            proxy.hold_answers()
            board.add(str(number))
            await asyncio.sleep(0.1)
            proxy.cut()
            await reader.expect([str(each) for each in range(number + 1)])
        board.add("end")
        await reader.end()

    assert reader.texts == reader.sync_texts == ["0", "1", "2", "3", "4", "end"]


async def test_stream_is_resumed_by_line_number(database_url: str, board: Board) -> None:
    board.add("one", "two")
    async with note_server(database_url, board) as server, clients(f"127.0.0.1:{server.port}") as (notes, _):
        stream = notes.tail()
        assert [(await anext(stream)).text for _ in range(2)] == ["one", "two"]
        port = server.port
        await server.stop()
        async with note_server(database_url, board, port=port):
            board.add("end")

            assert [response.text async for response in stream] == ["end"]

    assert board.start_positions == ["0", "2"]


async def test_stream_with_an_unknown_position_is_not_restarted(database_url: str, board: Board) -> None:
    async with (
        note_server(database_url, board) as server,
        clients(f"127.0.0.1:{server.port}") as (notes, sync_notes),
    ):
        stream, sync_stream = notes.watch(), sync_notes.watch()
        reading = asyncio.ensure_future(anext(stream))
        sync_reading = asyncio.ensure_future(asyncio.to_thread(next, sync_stream))

        async def watching() -> int:
            return board.watching

        await eventually(watching, 2)
        await server.stop()

        for each in (reading, sync_reading):
            with pytest.raises(client.UnavailableError) as interrupted:
                await each
            assert interrupted.value.reason == "SERVER_DRAINING"


async def test_stream_without_a_cursor_is_not_resumed(database_url: str, board: Board) -> None:
    board.add("one")
    async with (
        note_server(database_url, board) as server,
        clients(f"127.0.0.1:{server.port}") as (notes, sync_notes),
    ):
        stream, sync_stream = notes.listen(topic=str(uuid.uuid4())), sync_notes.listen(topic=str(uuid.uuid4()))
        assert (await anext(stream)).text == (await asyncio.to_thread(next, sync_stream)).text == "one"
        await server.stop()

        with pytest.raises(client.UnavailableError):
            await anext(stream)
        with pytest.raises(client.UnavailableError):
            await asyncio.to_thread(next, sync_stream)


async def test_resumed_stream_ends_at_its_timeout(database_url: str, board: Board) -> None:
    board.add("one")
    given = {"max_connection_age_seconds": 0.3, "max_connection_age_grace_seconds": 0.2}
    async with (
        note_server(database_url, board, **given) as server,
        clients(f"127.0.0.1:{server.port}") as (notes, sync_notes),
    ):
        began = time.monotonic()

        def drain() -> None:
            for _ in sync_notes.watch(timeout=1.2):
                pass

        draining = asyncio.to_thread(drain)
        with pytest.raises(client.DeadlineExceededError):
            async for _ in notes.watch(timeout=1.2):
                pass
        with pytest.raises(client.DeadlineExceededError):
            await draining

        assert time.monotonic() - began < 10
    assert len(board.start_positions) > 2


async def test_error_that_a_retry_does_not_change_is_raised(database_url: str, board: Board) -> None:
    async with (
        note_server(database_url, board, jwt_secret=JWT_SECRET) as server,
        clients(f"127.0.0.1:{server.port}", token=token("hub", "ids.generate")) as (notes, sync_notes),
    ):
        with pytest.raises(client.PermissionDeniedError):
            await anext(notes.watch(resume_token="0"))
        with pytest.raises(client.PermissionDeniedError):
            await asyncio.to_thread(next, sync_notes.watch(resume_token="0"))


async def test_stream_continues_with_a_new_token_when_its_own_has_expired(database_url: str, board: Board) -> None:
    board.add("one")
    fetched: list[str] = []

    def fetch() -> str:
        # Taken as one that lasts, so that it is the service that ends the stream.
        lasts = 1.5 if len(fetched) < 2 else 3600
        fetched.append(token("hub", "notes.use", exp=time.time() - LEEWAY_SECONDS + lasts))
        return fetched[-1]

    async with (
        note_server(database_url, board, jwt_secret=JWT_SECRET) as server,
        clients(f"127.0.0.1:{server.port}", token=fetch) as (notes, sync_notes),
    ):
        reader = Reader(notes, sync_notes)
        await reader.expect(["one"])
        await asyncio.sleep(2.5)
        board.add("two", "end")
        await reader.end()

    assert reader.texts == reader.sync_texts == ["one", "two", "end"]
    assert len(board.start_positions) == 4


async def test_stream_without_a_cursor_is_not_restarted_with_a_new_token(database_url: str, board: Board) -> None:
    board.add("one")

    def fetch() -> str:
        return token("hub", "notes.use", exp=time.time() - LEEWAY_SECONDS + 1.5)

    async with (
        note_server(database_url, board, jwt_secret=JWT_SECRET) as server,
        clients(f"127.0.0.1:{server.port}", token=fetch) as (notes, sync_notes),
    ):
        stream, sync_stream = notes.listen(topic=str(uuid.uuid4())), sync_notes.listen(topic=str(uuid.uuid4()))
        assert (await anext(stream)).text == (await asyncio.to_thread(next, sync_stream)).text == "one"

        with pytest.raises(client.UnauthenticatedError):
            await anext(stream)
        with pytest.raises(client.UnauthenticatedError):
            await asyncio.to_thread(next, sync_stream)


async def test_stream_ends_when_its_fixed_token_expires(database_url: str, board: Board) -> None:
    board.add("one")
    fixed = token("hub", "notes.use", exp=time.time() - LEEWAY_SECONDS + 1.5)
    async with (
        note_server(database_url, board, jwt_secret=JWT_SECRET) as server,
        clients(f"127.0.0.1:{server.port}", token=fixed) as (notes, _),
    ):
        stream = notes.watch()
        assert (await anext(stream)).text == "one"

        with pytest.raises(client.UnauthenticatedError) as ended:
            await anext(stream)

    assert ended.value.reason == "TOKEN_EXPIRED"


async def test_abandoned_stream_ends_at_the_server(database_url: str, board: Board) -> None:
    board.add("one")

    async def watching() -> int:
        return board.watching

    async with (
        note_server(database_url, board) as server,
        clients(f"127.0.0.1:{server.port}") as (notes, sync_notes),
    ):
        stream, sync_stream = notes.watch(), sync_notes.watch()
        await anext(stream)
        await asyncio.to_thread(next, sync_stream)
        await eventually(watching, 2)

        await stream.aclose()
        sync_stream.close()

        await eventually(watching, 0)


@pytest.fixture
async def noted(database_url: str, board: Board) -> AsyncIterator[tuple[Any, Any]]:
    async with note_server(database_url, board) as server, clients(f"127.0.0.1:{server.port}") as both:
        yield both


async def uploads(*texts: str) -> AsyncIterator[Any]:
    for text in texts:
        yield Upload(text=text)


async def test_requests_are_sent_in_order(noted: tuple[Any, Any]) -> None:
    notes, sync_notes = noted
    requests = [Upload(text=text) for text in ("one", "two")]

    assert (await notes.upload(uploads("one", "two"))).text == "one two"
    assert (await notes.upload(requests)).text == "one two"
    assert (await notes.upload([])).text == ""
    assert (await asyncio.to_thread(sync_notes.upload, requests)).text == "one two"


async def test_requests_and_responses_alternate(noted: tuple[Any, Any]) -> None:
    notes, sync_notes = noted
    answered: asyncio.Queue[str] = asyncio.Queue()

    async def ask() -> AsyncIterator[Any]:
        for _ in range(3):
            yield Exchange(text=await answered.get())

    answered.put_nowait("a")
    texts = []
    async for response in notes.exchange(ask()):
        texts.append(response.text)
        answered.put_nowait(response.text.lower() + "b")

    assert texts == ["A", "AB", "ABB"]
    requests = [Exchange(text=text) for text in ("a", "b")]
    assert [each.text for each in await asyncio.to_thread(lambda: list(sync_notes.exchange(requests)))] == ["A", "B"]


async def test_error_of_the_service_is_raised_while_requests_are_sent(noted: tuple[Any, Any]) -> None:
    notes, sync_notes = noted
    requests = [Exchange(text="fail"), *[Exchange(text="x" * 1000)] * 20]

    for _ in range(50):
        with pytest.raises(client.NotFoundError):
            await anext(notes.exchange(requests))
        with pytest.raises(client.NotFoundError):
            await asyncio.to_thread(lambda: list(sync_notes.exchange(requests)))


async def failing_uploads() -> AsyncIterator[Any]:
    yield Upload(text="one")
    raise ZeroDivisionError


def failing(request: Any) -> Iterator[Any]:
    yield request
    raise ZeroDivisionError


async def test_error_of_the_requests_is_raised(noted: tuple[Any, Any], board: Board) -> None:
    notes, sync_notes = noted

    with pytest.raises(ZeroDivisionError):
        await notes.upload(failing_uploads())
    with pytest.raises(ZeroDivisionError):
        async for _ in notes.exchange(failing(Exchange(text="one"))):
            pass
    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(sync_notes.upload, failing(Upload(text="one")))
    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(lambda: list(sync_notes.exchange(failing(Exchange(text="one")))))

    assert board.texts == []


async def test_requests_end_with_their_call(noted: tuple[Any, Any]) -> None:
    notes, _ = noted
    ended = asyncio.Event()

    async def wait_for_ever() -> AsyncIterator[Any]:
        try:
            yield Exchange(text="fail")
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(client.NotFoundError):
        await anext(notes.exchange(wait_for_ever()))

    await asyncio.wait_for(ended.wait(), 5)


async def test_no_request_is_sent_after_the_caller_is_cancelled(noted: tuple[Any, Any], board: Board) -> None:
    notes, _ = noted
    goes_on = asyncio.Event()

    async def slow() -> AsyncIterator[Any]:
        yield Upload(text="one")
        await goes_on.wait()
        yield Upload(text="two")

    uploading = asyncio.create_task(notes.upload(slow()))
    await asyncio.sleep(0.1)
    uploading.cancel()

    with pytest.raises(asyncio.CancelledError):
        await uploading
    goes_on.set()
    await asyncio.sleep(0.1)
    assert board.texts == []
