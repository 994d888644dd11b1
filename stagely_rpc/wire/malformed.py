"""Which text fields of an undecodable request are the ones that are wrong."""

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
# As deep as the decoder goes: what lies deeper is not what it found wrong. UnknownFieldSet takes the process down
# with it (a segmentation fault) where Python's own limit of recursion is hit inside.
_MAX_LEVELS = 100
# The look takes a second for each MiB in the worst case, and every other call waits for it.
_MAX_BYTES = 256 * 1024


def malformed_text_fields(descriptor: Descriptor, raw: bytes) -> list[str]:
    """Return the paths of the fields of type string whose bytes are no UTF-8.

    There are none when that is not what is wrong, and for a request of more than 256 KiB, which is not looked through.

    To a message without fields, every field is unknown, and kept as it came: that gives the bytes without the decoder's
    verdict on them. Of a `google.protobuf.Struct` the field that holds it is named, as wherever JSON is refused.
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
