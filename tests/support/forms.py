"""Servicers of every kind of RPC, in both forms that grpc.aio accepts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc

from stagely_rpc.client.sending import sending
from tests.support.notes import FILE, PATHS, SERVICE, kind_of, message_class, stub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

TEXTS = ["one", "two"]


@dataclass(frozen=True)
class Form:
    """An RPC of the tests' contract, and the form of its servicer.

    Attributes:
        rpc: the name of the RPC.
        uses_context: whether the servicer streams with `context.read` and `context.write`, or with iterators.
    """

    rpc: str
    uses_context: bool = False

    @property
    def path(self) -> str:
        return PATHS[self.rpc]

    @property
    def kind(self) -> str:
        return kind_of(self.rpc)

    @property
    def streams_requests(self) -> bool:
        return self.kind.startswith("stream")

    @property
    def streams_responses(self) -> bool:
        return self.kind.endswith("stream")

    @property
    def is_stream(self) -> bool:
        return self.kind != "unary_unary"

    def __str__(self) -> str:
        return f"{self.kind}{' by context' if self.uses_context else ''}"


FORMS = (
    Form("GetNote"),
    *(Form(rpc, by_context) for rpc in ("WatchNotes", "UploadNotes", "ExchangeNotes") for by_context in (False, True)),
)


async def nothing() -> None:
    pass


@dataclass
class Notes:
    """Serves one RPC in one form.

    Attributes:
        form: the RPC and its form.
        first: runs before the first message is read or written.
        last: runs after the last message.
        runs: how often the servicer ran.
    """

    form: Form
    first: Callable[[], Awaitable[None]] = nothing
    last: Callable[[], Awaitable[None]] = nothing
    runs: int = field(default=0, init=False)

    def handler(self) -> grpc.GenericRpcHandler:
        method = SERVICE.methods_by_name[self.form.rpc]
        make = getattr(grpc, f"{self.form.kind}_rpc_method_handler")
        behavior = getattr(self, f"{self.form.kind}{'_by_context' if self.form.uses_context else ''}")
        decode, encode = message_class(method.input_type.name).FromString, message_class(method.output_type.name)
        handlers = {self.form.rpc: make(behavior, decode, encode.SerializeToString)}
        return grpc.method_handlers_generic_handler(SERVICE.full_name, handlers)

    def _response(self, text: str) -> Any:
        made = message_class(f"{self.form.rpc}Response")
        has_token = self.form.streams_responses
        return made(text=text, resume_token=f"after {text}") if has_token else made(text=text)

    async def _begin(self) -> None:
        self.runs += 1
        await self.first()

    async def unary_unary(self, request: Any, context: Any) -> Any:
        await self._begin()
        await self.last()
        return self._response(request.text)

    async def unary_stream(self, request: Any, context: Any) -> AsyncIterator[Any]:
        await self._begin()
        for text in TEXTS:
            yield self._response(text)
        await self.last()

    async def unary_stream_by_context(self, request: Any, context: Any) -> None:
        await self._begin()
        for text in TEXTS:
            await context.write(self._response(text))
        await self.last()

    async def stream_unary(self, requests: Any, context: Any) -> Any:
        await self._begin()
        texts = [request.text async for request in requests]
        await self.last()
        return self._response(" ".join(texts))

    async def stream_unary_by_context(self, requests: Any, context: Any) -> Any:
        await self._begin()
        texts = []
        while (request := await context.read()) is not grpc.aio.EOF:
            texts.append(request.text)
        await self.last()
        return self._response(" ".join(texts))

    async def stream_stream(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        await self._begin()
        async for request in requests:
            yield self._response(request.text)
        await self.last()

    async def stream_stream_by_context(self, requests: Any, context: Any) -> None:
        await self._begin()
        while (request := await context.read()) is not grpc.aio.EOF:
            await context.write(self._response(request.text))
        await self.last()


def expected(form: Form) -> list[str]:
    """Return the texts of the responses to a call of a form."""
    return {"unary_unary": ["one"], "stream_unary": ["one two"]}.get(form.kind, TEXTS)


def start_call(channel: grpc.aio.Channel, form: Form, seconds: float | None = 20, **fields: str) -> Any:
    """Start a call of a form. Its requests have these fields in addition to their texts."""
    request = FILE.message_types_by_name[f"{form.rpc}Request"].name
    known = message_class(request)
    has_text = "text" in known.DESCRIPTOR.fields_by_name
    messages = [known(**({"text": text} if has_text else {}), **fields) for text in TEXTS]
    rpc = getattr(stub(channel), form.rpc)
    return StartedCall(rpc(timeout=seconds), messages) if form.streams_requests else rpc(messages[0], timeout=seconds)


@dataclass
class StartedCall:
    """A call that streams its requests and has not sent one yet."""

    call: Any
    requests: Sequence[Any]

    async def trailing_metadata(self) -> Any:
        return await self.call.trailing_metadata()


async def texts_of(call: Any) -> list[str]:
    """Return the texts of the responses of a call."""
    if isinstance(call, StartedCall):
        async with sending(call.call, call.requests):
            return await texts_of(call.call)
    if hasattr(call, "__aiter__"):
        return [response.text async for response in call]
    return [(await call).text]
