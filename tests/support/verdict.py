"""Checks the answers to bad requests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

import grpc
from google.protobuf.message import DecodeError

from tests.support.refusals import refusal_of
from tests.support.seeds import SECRET_MARKER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

    from tests.support.methods import Method
    from tests.support.mutations import Mutation
    from tests.support.refusals import Refusal

ALLOWED = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.ABORTED,
}
"""The statuses that a bad request may get. RESOURCE_EXHAUSTED is missing: the tests reach no quota or load limit."""

BLAMED_INSTEAD = {
    ("IdService.GenerateIds", "length"): {"count"},  # there are not enough ids of this length
    ("SecretService.SetSecret", "secret_type"): {"key", "file_path", "file_permissions"},
    ("CryptoService.Decrypt", "key"): {"ciphertext"},  # does not authenticate
    ("CryptoService.Decrypt", "associated_data"): {"ciphertext"},
}
"""Fields that errors name instead of the mutated field, because the mutation makes them invalid."""

_MAX_MESSAGE_CHARACTERS = 2000
# Above this size, gRPC fails calls at random; above a higher limit, always.
_MAX_TRAILERS_BYTES = 8192
_TRAILER_BYTES = 32
_LEAKS = re.compile(r"psycopg|sqlalchemy|pydantic|SELECT |INSERT |UPDATE |constraint|Traceback|File \"", re.IGNORECASE)


def complaints(
    method: Method, raw: bytes, mutations: Sequence[Mutation], error: grpc.aio.AioRpcError | None
) -> list[str]:
    """Return descriptions of what is wrong with the answer to a request. `error` is None if the call succeeded."""
    # With several mutations, one may undo or mask another.
    is_refused = len(mutations) == 1 and mutations[0].is_refused
    if error is None:
        return ["succeeded"] if is_refused else []
    if error.code() not in ALLOWED:
        return [f"{error.code().name}: {(error.details() or '')[:200]}"]
    found = [*_leaks(error, mutations)]
    refusal = refusal_of(error)
    if refusal.code is grpc.StatusCode.INVALID_ARGUMENT:
        found += _misnamed(method.input, refusal, decodes=_decodes(method.request, raw))
        if len(mutations) == 1:
            found += _unblamed(method, refusal, mutations[0], decodes=_decodes(method.request, raw))
    elif is_refused:
        found.append(f"{refusal.code.name} and not INVALID_ARGUMENT")
    return found


def _leaks(error: grpc.aio.AioRpcError, mutations: Sequence[Mutation]) -> Iterator[str]:
    trailers = dict(error.trailing_metadata() or ())
    message, details = error.details() or "", bytes(trailers["grpc-status-details-bin"])
    if len(message) >= _MAX_MESSAGE_CHARACTERS:
        yield f"a message of {len(message)} characters"
    sizes = (len(key) + len(value) + _TRAILER_BYTES for key, value in trailers.items())
    if sum(sizes) + len(quote(message)) > _MAX_TRAILERS_BYTES:
        yield f"details of {len(details)} bytes"
    if SECRET_MARKER in details:
        yield "a secret in the details"
    # The message may quote the caller's own values.
    if (leak := _LEAKS.search(message)) and not any("SQL" in mutation.kind for mutation in mutations):
        yield f"{leak.group()!r} in {message!r}"


def _misnamed(request: Descriptor, refusal: Refusal, *, decodes: bool) -> Iterator[str]:
    if not refusal.fields:
        yield "no field is named"
    for path in refusal.fields:
        if not (_exists(request, path) if path else not decodes):
            yield f"there is no field {path!r}"


def _unblamed(method: Method, refusal: Refusal, mutation: Mutation, *, decodes: bool) -> Iterator[str]:
    named = {re.sub(r"\[\d+\]", "", path) for path in refusal.fields}
    blamed = set(_blamed(method.input, mutation.field)) | BLAMED_INSTEAD.get((method.name, mutation.field), set())
    blamed |= {path for path in named if path.startswith(f"{mutation.field}.")}
    if not named & blamed and not ("" in named and not decodes):
        yield f"{sorted(named)} is named and not {mutation.field!r}: {refusal.message[:200]}"


def _blamed(request: Descriptor, path: str) -> Iterator[str]:
    """Yield the paths that an error may name for a field: its own, its parent messages' and their oneofs'."""
    parts = path.split(".")
    for depth in range(1, len(parts) + 1):
        outer = ".".join(parts[:depth])
        yield outer
        field = _field(request, outer)
        if field and field.containing_oneof:
            yield ".".join([*parts[: depth - 1], field.containing_oneof.name])


def _exists(request: Descriptor, path: str) -> bool:
    """Return whether a path names a field or a oneof."""
    outer, _, name = re.sub(r"\[\d+\]", "", path).rpartition(".")
    field = _field(request, outer) if outer else None
    message = field.message_type if field else None if outer else request
    return message is not None and (name in message.fields_by_name or name in message.oneofs_by_name)


def _field(request: Descriptor, path: str) -> FieldDescriptor | None:
    message: Descriptor | None = request
    field = None
    for name in path.split("."):
        field = message.fields_by_name.get(name) if message else None
        message = field.message_type if field else None
    return field


def _decodes(request: type[Message], raw: bytes) -> bool:
    try:
        request.FromString(raw)
    except DecodeError:
        return False
    return True
