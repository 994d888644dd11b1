"""A complete server that also serves the tests' own contract, behind the chain and over a real socket."""

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
    """The notes. They outlive the servers that serve them.

    Attributes:
        texts: the texts of the notes, in order.
        start_positions: the start position in the request of each stream.
        watching: the number of open streams.
        may_answer: the event that unary calls wait for. It is set at first.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.start_positions: list[str] = []
        self.watching = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self._added = asyncio.Event()

    def add(self, *texts: str) -> None:
        self.texts += texts
        self._added.set()
        self._added = asyncio.Event()

    async def after(self, position: int) -> AsyncIterator[tuple[int, str]]:
        """Yield the notes after a position, then new notes as they are added."""
        while True:
            added = self._added
            while position < len(self.texts):
                position += 1
                yield position, self.texts[position - 1]
            await added.wait()


class NoteServicer:
    """Serves a board. The topic of a request is the id of a team or user that the stream is authorized for."""

    def __init__(self, board: Board, db: Database) -> None:
        self._board = board
        self._db = db

    async def GetNote(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._board.add(request.text)
        await self._board.may_answer.wait()
        return message_class("GetNoteResponse")(text=request.text)

    async def WatchNotes(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        await self._authorize(request.topic)
        self._board.start_positions.append(request.resume_token)
        self._board.watching += 1
        try:
            async for position, text in self._board.after(int(request.resume_token or 0)):
                yield message_class("WatchNotesResponse")(text=text, resume_token=str(position))
        finally:
            self._board.watching -= 1

    async def TailNotes(self, request: Any, context: Any) -> None:  # noqa: N802
        self._board.start_positions.append(str(request.after_line_number))
        async for position, text in self._board.after(request.after_line_number):
            await context.write(message_class("TailNotesResponse")(text=text, last_line_number=position))
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

    async def _authorize(self, topic: str) -> None:
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
