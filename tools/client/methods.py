"""Generates the source of a client method: async or sync; with one response, a stream of responses or pages."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import MethodOptions

from tools.client.arguments import MASK, Argument, arguments_of
from tools.client.names import module_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from google.protobuf.descriptor import Descriptor, MethodDescriptor

WIDTH = 120
BODY = " " * 8
QUOTES = '"""'
TIMEOUT = "timeout: float | None = None"
CURSORS = {"resume_token": "resume_token", "after_line_number": "last_line_number"}
"""The cursor fields of resumable streams: the field of the request, and the field of the response that sets it."""


@dataclass(frozen=True)
class Flavor:
    """The source fragments that differ between async and sync code."""

    define: str
    wait: str
    calls: str
    pager: str
    stream: str
    requests: str
    prefix: str


ASYNC = Flavor("async def", "await ", "Calls", "Pager", "AsyncGenerator[{}, None]", "Requests[{}]", "")
SYNC = Flavor("def", "", "SyncCalls", "SyncPager", "Generator[{}, None, None]", "Iterable[{}]", "Sync")


def method_source(method: MethodDescriptor, name: str, comments: Mapping[str, str], flavor: Flavor) -> str:
    """Return the source of a method."""
    if method.client_streaming:
        return _sending_source(method, name, comments, flavor)
    arguments = arguments_of(method.input_type, comments)
    define, returned, body = _form(method, flavor)
    lines = [
        f"    {define} {name}({', '.join(_signature(arguments))}) -> {returned}:",
        *_docstring(comments[method.full_name], arguments, _timeout_of(method)),
        f"{BODY}request = {_request(method, arguments)}",
        *(BODY + line for line in body),
    ]
    return "\n".join(lines)


def _sending_source(method: MethodDescriptor, name: str, comments: Mapping[str, str], flavor: Flavor) -> str:
    """Return the source of a method that streams requests. Its only argument is the stream."""
    requests = f"requests: {flavor.requests.format(_python(method.input_type))}"
    rpc, response = f"self._rpcs.{method.name}", _python(method.output_type)
    if method.server_streaming:
        define, returned = "def", flavor.stream.format(response)
        body = [f"return self._calls.exchange({rpc}, requests, timeout)"]
    else:
        call = f"{flavor.wait}self._calls.send({rpc}, requests, timeout)"
        define, (returned, body) = flavor.define, _single(method, call)
    lines = [
        f"    {define} {name}(self, {requests}, *, {TIMEOUT}) -> {returned}:",
        *_docstring(comments[method.full_name], [], _timeout_of(method), ["requests: sent one after the other."]),
        *(BODY + line for line in body),
    ]
    return "\n".join(lines)


def _form(method: MethodDescriptor, flavor: Flavor) -> tuple[str, str, list[str]]:
    """Return the keyword that defines a method, its return type and the lines after its request is built."""
    response = _python(method.output_type)
    rpc = f"self._rpcs.{method.name}"
    if method.server_streaming:
        return "def", flavor.stream.format(response), [f"return {_stream_call(method)}"]
    if "page_token" in method.input_type.fields_by_name:
        items = next(field for field in method.output_type.fields if field.is_repeated)
        assert items.message_type is not None
        fetch = f"lambda page: self._calls.unary({rpc}, page, timeout)"
        pager = f"{flavor.pager}({fetch}, request, lambda page: page.{items.name})"
        return "def", f"{flavor.pager}[{_python(items.message_type)}, {response}]", [f"return {pager}"]
    return flavor.define, *_single(method, f"{flavor.wait}self._calls.unary({rpc}, request, timeout)")


def _stream_call(method: MethodDescriptor) -> str:
    """Return the call of a method that streams responses. With cursor fields, the stream is resumable."""
    rpc, cursor = f"self._rpcs.{method.name}", _cursor_of(method)
    if cursor is None:
        return f"self._calls.stream({rpc}, request, timeout)"
    return f"self._calls.resumable_stream({rpc}, request, Cursor{cursor}, timeout)"


def _cursor_of(method: MethodDescriptor) -> tuple[str, str] | None:
    """Return the cursor fields of a stream of responses; None if it has none."""
    if method.client_streaming or not method.server_streaming:
        return None
    fields = method.input_type.fields_by_name, method.output_type.fields_by_name
    return next((pair for pair in CURSORS.items() if pair[0] in fields[0] and pair[1] in fields[1]), None)


def _single(method: MethodDescriptor, call: str) -> tuple[str, list[str]]:
    """Return the return type of a method with one response, and the lines that make its result from a call."""
    if not method.output_type.fields:
        return "None", [call]
    if only := _only_message(method.output_type):
        name, message = only
        return _python(message), [f"response = {call}", f"return response.{name}"]
    return _python(method.output_type), [f"return {call}"]


def _only_message(response: Descriptor) -> tuple[str, Descriptor] | None:
    """Return the name and the message type of a response's only field; None for other responses."""
    match list(response.fields):
        case [field] if field.message_type is not None and not field.is_repeated:
            return field.name, field.message_type
    return None


def _signature(arguments: list[Argument]) -> Iterator[str]:
    """Yield the declarations of the arguments: `id` is positional, and required arguments come first."""
    yield "self"
    yield from (argument.declaration() for argument in arguments if argument.field == "id")
    yield "*"
    named = [argument for argument in arguments if argument.field != "id"]
    yield from (argument.declaration() for argument in sorted(named, key=lambda argument: not argument.required))
    yield TIMEOUT


def _request(method: MethodDescriptor, arguments: list[Argument]) -> str:
    message = _python(method.input_type)
    fields = [(each.field, each.name) for each in arguments if not each.change]
    if changes_something(method):
        fields = [(field, f"{name} or new_request_id()" if field == "request_id" else name) for field, name in fields]
    if MASK not in method.input_type.fields_by_name:
        return f"build({message}, {_mapping(fields)})"
    changes = [(each.field, each.name) for each in arguments if each.change]
    return f"build_update({message}, {_mapping(fields)}, {_mapping(changes)})"


def changes_something(method: MethodDescriptor) -> bool:
    """Return whether a method changes something, so that retries need a `request_id`."""
    return method.GetOptions().idempotency_level == MethodOptions.IDEMPOTENCY_UNKNOWN


def _mapping(fields: list[tuple[str, str]]) -> str:
    return "{" + ", ".join(f'"{field}": {value}' for field, value in fields) + "}"


def _timeout_of(method: MethodDescriptor) -> str:
    if _cursor_of(method) is not None:
        return "timeout: seconds that the stream may take. Default: no limit. It resumes after interruptions."
    if method.client_streaming or method.server_streaming:
        return "timeout: seconds that the stream may take. Default: no limit."
    return "timeout: seconds that the call may take, in place of the client's."


def _docstring(comment: str, arguments: list[Argument], timeout: str, others: Iterable[str] = ()) -> Iterator[str]:
    first, *rest = wrapped(comment, WIDTH - len(BODY))
    yield f'{BODY}"""{first}'
    yield from (f"{BODY}{line}".rstrip() for line in rest)
    yield ""
    yield f"{BODY}Args:"
    for argument in arguments:
        if argument.comment:
            text = f"{argument.name}: {' '.join(argument.comment.split())}"
            yield from textwrap.wrap(text, WIDTH, initial_indent=BODY + "    ", subsequent_indent=BODY + " " * 8)
    yield from (f"{BODY}    {line}" for line in (*others, timeout))
    yield f'{BODY}"""'


def wrapped(comment: str, width: int) -> Iterator[str]:
    """Yield the lines of a docstring: paragraphs and list items wrapped, tables unchanged."""
    for number, paragraph in enumerate(comment.split("\n\n")):
        yield from [""] if number else []
        if paragraph.startswith("|"):
            yield from paragraph.splitlines()
            continue
        for item in re.split(r"\n(?=- )", paragraph):
            indent = "  " if item.startswith("- ") else ""
            yield from textwrap.wrap(" ".join(item.split()), width - len(QUOTES), subsequent_indent=indent)


def _python(message: Descriptor) -> str:
    return f"{module_of(message)}.{message.name}"
