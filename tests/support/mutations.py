"""Mutations of valid requests, derived from their descriptors: of one field, or of several."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import Struct

from stagely_rpc.wire.redaction import is_sensitive
from tests.support import hostile_values, wire
from tests.support.seeds import SECRET_MARKER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from google.protobuf.message import Message

    from tests.support.hostile_values import Bad

    Path = tuple[FieldDescriptor, ...]

_KINDS = {
    FieldDescriptor.TYPE_STRING: "text",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_ENUM: "enum",
}
_MESSAGE_KINDS = {Struct.DESCRIPTOR.full_name: "struct", FieldMask.DESCRIPTOR.full_name: "mask"}


@dataclass(frozen=True)
class Mutation:
    """One mutation of a request: a change of the message, bytes appended to it, or both.

    Attributes:
        field: the path of the field; empty if the mutation concerns the whole body.
        kind: describes the mutation.
        change: changes the message.
        tail: the bytes to append.
        is_refused: whether INVALID_ARGUMENT is the only right status. Otherwise other errors or success may be right.
    """

    field: str
    kind: str
    change: Callable[[Message], None]
    tail: bytes = b""
    is_refused: bool = False

    def __str__(self) -> str:
        return f"{self.field or 'body'} {self.kind}"


def mutated(request: Message, *mutations: Mutation) -> bytes:
    """Return the bytes of a request after all mutations."""
    for mutation in mutations:
        mutation.change(request)
    return request.SerializeToString() + b"".join(mutation.tail for mutation in mutations)


def combinations(mutations: list[Mutation], count: int, seed: str) -> Iterator[tuple[Mutation, ...]]:
    """Yield random combinations of mutations of different fields. The same seed yields the same combinations."""
    chance = random.Random(seed)  # noqa: S311 - must be reproducible
    if len({mutation.field for mutation in mutations}) < 2:
        return
    for _ in range(count):
        chosen = {mutation.field: mutation for mutation in chance.sample(mutations, min(6, len(mutations)))}
        yield tuple(chosen.values())


def mutations_of(request: Message) -> list[Mutation]:
    """Return all mutations of a valid request: of each field, and of the body."""
    return [
        *_fields(request, ()),
        *(Mutation("", kind, _nothing, tail) for kind, tail in hostile_values.BODIES.items()),
    ]


def _fields(message: Message, path: Path) -> Iterator[Mutation]:
    field: FieldDescriptor
    for field in message.DESCRIPTOR.fields:  # type: ignore[assignment]
        oneof = field.containing_oneof
        # Setting another member of a oneof would unset the current one. Other variants of the request cover it.
        if oneof is None or len(oneof.fields) == 1 or message.WhichOneof(oneof.name) == field.name:
            yield from _field(message, (*path, field))


def _field(message: Message, path: Path) -> Iterator[Mutation]:
    field = path[-1]
    yield _assigned(path, "missing", None)
    yield _tailed(path, "of another wire type", _of_another_type(field))
    yield _tailed(path, "twice", b"" if field.is_repeated else _alone(message, field))
    for bad in _hostile_values(message, field):
        yield _assigned(path, bad.kind, bad.value, is_refused=bad.is_refused)
    for bad in hostile_values.TAILS.get(_kind(field), ()):
        yield _tailed(path, bad.kind, wire.chunk(field.number, bad.value), is_refused=bad.is_refused)
    if _kind(field) == "message" and not field.is_repeated:
        yield from _fields(getattr(message, field.name), path)


def _kind(field: FieldDescriptor) -> str:
    """Return the kind of a field's values. Add new field types to `_KINDS`."""
    if field.message_type is not None:
        return _MESSAGE_KINDS.get(field.message_type.full_name, "message")
    return _KINDS[field.type]


def _hostile_values(message: Message, field: FieldDescriptor) -> list[Bad]:
    marker = SECRET_MARKER if is_sensitive(field) else b""
    values: dict[str, Callable[[], list[Bad]]] = {
        "text": lambda: hostile_values.texts(getattr(message, field.name)),
        "bytes": lambda: hostile_values.byte_strings(marker),
        "int32": lambda: hostile_values.INT32,
        "int64": lambda: hostile_values.INT64,
        "bool": lambda: hostile_values.BOOLS,
        "enum": lambda: hostile_values.enums(repeated=field.is_repeated),
        "struct": lambda: hostile_values.structs(marker.decode()),
        "mask": lambda: hostile_values.masks([other.name for other in message.DESCRIPTOR.fields]),
        "message": list,
    }
    return values[_kind(field)]()


def _assigned(path: Path, kind: str, value: Any, *, is_refused: bool = False) -> Mutation:
    def change(request: Message) -> None:
        message, name = _innermost(request, path), path[-1].name
        message.ClearField(name)
        if value is None:
            return
        if path[-1].is_repeated:
            getattr(message, name).extend(value)
        elif path[-1].type == FieldDescriptor.TYPE_MESSAGE:
            getattr(message, name).CopyFrom(value)
        else:
            setattr(message, name, value)

    return Mutation(_dotted(path), kind, change, is_refused=is_refused)


def _tailed(path: Path, kind: str, tail: bytes, *, is_refused: bool = False) -> Mutation:
    outer = tuple(field.number for field in path[:-1])
    return Mutation(_dotted(path), kind, _nothing, wire.nested(outer, tail), is_refused)


def _innermost(request: Message, path: Path) -> Message:
    for field in path[:-1]:
        request = getattr(request, field.name)
    return request


def _dotted(path: Path) -> str:
    return ".".join(field.name for field in path)


def _nothing(request: Message) -> None:
    del request


def _alone(message: Message, field: FieldDescriptor) -> bytes:
    """Return the bytes of one field of a message."""
    copy = type(message)()
    copy.CopyFrom(message)
    for other, _ in message.ListFields():
        if other.name != field.name:
            copy.ClearField(other.name)
    return copy.SerializeToString()


def _of_another_type(field: FieldDescriptor) -> bytes:
    if _kind(field) in {"int32", "int64", "bool", "enum"}:
        return wire.chunk(field.number, b"\x01x")
    return wire.tag(field.number, wire.VARINT) + wire.varint(1)
