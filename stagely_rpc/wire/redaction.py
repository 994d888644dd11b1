"""Removes secrets from messages, so that they may be logged, traced or printed.

The contract marks the fields that carry secrets with `(stagely.v1.sensitive)`. The code does not list field names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor

from stagely.v1 import annotations_pb2

if TYPE_CHECKING:
    from google.protobuf.message import Message

    Redacted = TypeVar("Redacted", bound=Message)


def is_sensitive(field: FieldDescriptor) -> bool:
    """Return whether the contract marks a field as sensitive."""
    return bool(field.GetOptions().Extensions[annotations_pb2.sensitive])


def redacted(message: Redacted) -> Redacted:
    """Return a copy of a message without its sensitive fields, at any depth."""
    copy = type(message)()
    copy.CopyFrom(message)
    _clear(copy)
    return copy


def _clear(message: Message) -> None:
    for field, value in message.ListFields():
        if is_sensitive(field):
            message.ClearField(field.name)
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            for nested in _messages(field, value):
                _clear(nested)


def _messages(field: FieldDescriptor, value: Any) -> list[Message]:  # noqa: ANN401 - any type of field
    if not field.is_repeated:
        return [value]
    entry = field.message_type
    if entry is None or not entry.GetOptions().map_entry:
        return list(value)
    holds_messages = entry.fields_by_name["value"].type == FieldDescriptor.TYPE_MESSAGE
    return list(value.values()) if holds_messages else []
