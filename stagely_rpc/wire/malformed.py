"""Finds the string fields of an undecodable request that are not UTF-8."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import Struct
from google.protobuf.unknown_fields import UnknownFieldSet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import Descriptor

_LENGTH_DELIMITED = 2
# The depth limit of protobuf's decoder: the fault that it found is not deeper. Without a limit, UnknownFieldSet could
# hit Python's recursion limit, which crashes the process (segmentation fault).
_MAX_LEVELS = 100
# The search takes up to a second per MiB, and blocks the event loop.
_MAX_BYTES = 256 * 1024


def malformed_text_fields(descriptor: Descriptor, raw: bytes) -> list[str]:
    """Return the paths of the string fields whose bytes are not UTF-8.

    The list is empty if something else is wrong, and for a request of more than 256 KiB, which is not searched.

    The request is decoded as a message without fields: every field is unknown, and the decoder keeps the bytes of
    unknown fields unchecked. For a string in a `google.protobuf.Struct`, the path is that of the field of type Struct,
    as in all errors about JSON.
    """
    if len(raw) > _MAX_BYTES:
        return []
    try:
        return list(dict.fromkeys(_malformed(descriptor, raw, _MAX_LEVELS)))
    except DecodeError:
        return []


def _malformed(descriptor: Descriptor, raw: bytes, levels: int) -> Iterator[str]:
    if not levels:
        return
    for unknown in UnknownFieldSet(Empty.FromString(raw)):  # type: ignore[attr-defined]
        field = descriptor.fields_by_number.get(unknown.field_number)
        if field is None or unknown.wire_type != _LENGTH_DELIMITED:
            continue
        if field.type == FieldDescriptor.TYPE_STRING and not _is_utf8(unknown.data):
            yield field.name
        elif field.message_type is not None:
            yield from _nested(field, _malformed(field.message_type, unknown.data, levels - 1))


def _nested(field: FieldDescriptor, paths: Iterator[str]) -> Iterator[str]:
    if field.message_type is not Struct.DESCRIPTOR:
        yield from (f"{field.name}.{path}" for path in paths)
    elif next(paths, None):
        yield field.name


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
