"""Builds requests from the arguments of methods: enum values, update masks, request ids."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from google.protobuf.message import Message

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, EnumDescriptor

Request = TypeVar("Request", bound=Message)


class Unset(Enum):
    """The type of `UNSET`."""

    UNSET = "UNSET"

    def __repr__(self) -> str:
        return self.name


UNSET: Final = Unset.UNSET
"""Leaves a field of an update unchanged. None clears the field."""


def new_request_id() -> str:
    """Return a new request id: one for each call of a method, for all its attempts."""
    return str(uuid.uuid4())


def build(kind: type[Request], fields: Mapping[str, object]) -> Request:
    """Return a request with the fields that are not None.

    Raises:
        TypeError: a value does not have the type of its field.
        ValueError: a value is out of range, or not a name of its enum.
    """
    known = cast("Descriptor", kind.DESCRIPTOR).fields_by_name
    given = {name: value for name, value in fields.items() if value is not None}
    return _construct(kind, {name: _value(name, known[name].enum_type, value) for name, value in given.items()})


def build_update(kind: type[Request], fields: Mapping[str, object], changes: Mapping[str, object]) -> Request:
    """Return an update request. The update mask names the fields that are not `UNSET`. None clears a field.

    Raises:
        TypeError: a value does not have the type of its field.
        ValueError: a value is out of range, or not a name of its enum.
    """
    changed = {name: value for name, value in changes.items() if value is not UNSET}
    return build(kind, {**fields, **changed, "update_mask": {"paths": list(changed)}})


def _construct(kind: type[Request], given: Mapping[str, object]) -> Request:
    try:
        return kind(**given)
    except (TypeError, ValueError, AttributeError):
        # protobuf's error does not name the field, and may quote the value, which can be a secret.
        for name, value in given.items():
            _check(kind, name, value)
        raise


def _check(kind: type[Message], name: str, value: object) -> None:
    found = type(value).__name__
    field: dict[str, Any] = {name: value}
    try:
        kind(**field)
    except (TypeError, AttributeError):
        raise TypeError(f"{name}: a value of type {found} does not fit this field") from None
    except ValueError:
        raise ValueError(f"{name}: this value of type {found} does not fit this field") from None


def _value(name: str, enum: EnumDescriptor | None, value: object) -> object:
    if enum is not None:
        return _enum_values(enum, value)
    if isinstance(value, datetime) and value.tzinfo is None:
        raise ValueError(f"{name}: a time needs a time zone")
    return value


def _enum_values(enum: EnumDescriptor, value: object) -> object:
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_enum_value(enum, each) for each in value]
    return _enum_value(enum, value)


def _enum_value(enum: EnumDescriptor, value: object) -> object:
    """Return the number for the short name of an enum value, such as `owner` for TEAM_ROLE_OWNER; numbers unchanged."""
    if not isinstance(value, str):
        return value
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    found = enum.values_by_name.get(prefix + value.upper()) or enum.values_by_name.get(value)
    if found is None:
        names = ", ".join(known.name.removeprefix(prefix).lower() for known in enum.values[1:])
        raise ValueError(f"{enum.name}: {value!r} is not one of {names}")
    return found.number
