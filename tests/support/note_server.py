"""A complete server that also serves the tests' contract, with its chain, over a real socket."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc

from stagely_rpc import access
from stagely_rpc.errors import NotFoundError
from stagely_rpc.interceptors.auth import REAUTHORIZE_SECONDS
from stagely_rpc.server.chain import build_chain
from stagely_rpc.server.services import SERVICES
from tests.support.leaks import SearchingInterceptor
from tests.support.notes import SERVICE, kind_of, message_class
from tests.support.rpc import SearchedServer, settings_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from stagely_rpc.db.database import Database
    from stagely_rpc.settings.model import Settings


class Board:
    """Notes that outlive the servers.

    Attributes:
        texts: the texts of the notes, in order.
        asked: the positions at which streams started.
        watching: the number of open streams.
        goes_on: while this event is cleared, unary calls wait.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.asked: list[str] = []
        self.watching = 0
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self._added = asyncio.Event()

    def add(self, *texts: str) -> None:
        self.texts += texts
        self._added.set()
        self._added = asyncio.Event()

    async def after(self, place: int) -> AsyncIterator[tuple[int, str]]:
        """Yield the notes after a position, then new notes."""
        while True:
            added = self._added
            while place < len(self.texts):
                place += 1
                yield place, self.texts[place - 1]
            await added.wait()


class NoteServicer:
    """Serves a board. If the topic of a stream is a UUID, it is the team or the user that owns the stream."""

    def __init__(self, board: Board, db: Database) -> None:
        self._board = board
        self._db = db

    async def GetNote(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._board.add(request.text)
        await self._board.goes_on.wait()
        return message_class("GetNoteResponse")(text=request.text)

    async def WatchNotes(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        await self._decide(request.topic)
        self._board.asked.append(request.resume_token)
        self._board.watching += 1
        try:
            async for place, text in self._board.after(int(request.resume_token or 0)):
                yield message_class("WatchNotesResponse")(text=text, resume_token=str(place))
        finally:
            self._board.watching -= 1

    async def TailNotes(self, request: Any, context: Any) -> None:  # noqa: N802
        self._board.asked.append(str(request.after_line_number))
        async for place, text in self._board.after(request.after_line_number):
            await context.write(message_class("TailNotesResponse")(text=text, last_line_number=place))
            if text == "end":
                return

    async def ListenNotes(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        async with self._db.read() as session:
            user_id = uuid.UUID(request.topic)
            await access.require_user(session, user_id, NotFoundError("User", user_id))
        async for _, text in self._board.after(0):
            yield message_class("ListenNotesResponse")(text=text)

    async def UploadNotes(self, requests: Any, context: Any) -> Any:  # noqa: N802
        texts = [request.text async for request in requests]
        self._board.add(*texts)
        return message_class("UploadNotesResponse")(text=" ".join(texts))

    async def ExchangeNotes(self, requests: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        async for request in requests:
            if request.text == "fail":
                raise NotFoundError("Note", request.text)
            yield message_class("ExchangeNotesResponse")(text=request.text.upper())

    async def _decide(self, topic: str) -> None:
        async with self._db.read() as session:
            if topic:
                await access.require_team(session, uuid.UUID(topic), NotFoundError("Team", topic))

    def handler(self) -> grpc.GenericRpcHandler:
        handlers = {}
        for method in SERVICE.methods:
            make = getattr(grpc, f"{kind_of(method.name)}_rpc_method_handler")
            request, response = message_class(f"{method.name}Request"), message_class(f"{method.name}Response")
            handlers[method.name] = make(getattr(self, method.name), request.FromString, response.SerializeToString)
        return grpc.method_handlers_generic_handler(SERVICE.full_name, handlers)


class NoteServer(SearchedServer):
    """A server with the tests' contract in addition to the service's."""

    def __init__(self, settings: Settings, board: Board, reauthorize_seconds: float) -> None:
        self._reauthorize_seconds = reauthorize_seconds
        super().__init__(settings)
        self._grpc.add_generic_rpc_handlers((NoteServicer(board, self._db).handler(),))

    def _chain(self) -> Sequence[grpc.aio.ServerInterceptor]:
        services, seconds = (*SERVICES, SERVICE), self._reauthorize_seconds
        chain = build_chain(self._settings, self._chain_parts(), services, reauthorize_seconds=seconds)
        return (SearchingInterceptor(), *chain)


@asynccontextmanager
async def note_server(
    database_url: str, board: Board, *, reauthorize_seconds: float = REAUTHORIZE_SECONDS, **settings: object
) -> AsyncIterator[NoteServer]:
    """Run a server over a database."""
    server = NoteServer(settings_of(database_url, **settings), board, reauthorize_seconds)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
