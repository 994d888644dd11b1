"""Converts values between protobuf and Python: times, JSON objects, enums. Pure functions."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf.struct_pb2 import ListValue, Struct, Value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.descriptor import EnumDescriptor
    from google.protobuf.internal.enum_type_wrapper import _EnumTypeWrapper
    from google.protobuf.timestamp_pb2 import Timestamp

    Json = None | bool | float | str | list["Json"] | dict[str, "Json"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_PER_DAY = 86_400
_NANOS_PER_SECOND = 1_000_000_000
_MAX_EXACT_INTEGER = 2**53

EnumNumber = TypeVar("EnumNumber", bound=int)


def to_timestamp(moment: datetime | None) -> Any:  # noqa: ANN401 - the stubs of messages require a Timestamp
    """Return the value to construct a field of type Timestamp with. None leaves the field unset.

    The value is a mapping of the fields of Timestamp. Protobuf fills the field from a mapping in place; it would copy a
    message through its serialized form.
    """
    if moment is None:
        return None
    since = moment - _EPOCH
    return {"seconds": since.days * _SECONDS_PER_DAY + since.seconds, "nanos": since.microseconds * 1000}


def from_timestamp(timestamp: Timestamp) -> datetime:
    """Convert a Timestamp to a datetime, with a resolution of one microsecond.

    Raises:
        ValueError: the time is not within the years 1 to 9999, or its nanos are not within a second.
    """
    if not 0 <= timestamp.nanos < _NANOS_PER_SECOND:
        raise ValueError("nanos must be from 0 to 999999999")
    try:
        return _EPOCH + timedelta(seconds=timestamp.seconds, microseconds=timestamp.nanos // 1000)
    except OverflowError as error:
        raise ValueError("must be within the years 1 to 9999") from error


def to_struct(value: Mapping[str, Any]) -> Struct:
    """Convert a JSON object to a message."""
    struct = Struct()
    struct.update(value)
    return struct


def from_struct(struct: Struct) -> dict[str, Json]:
    """Convert a message to a JSON object.

    Raises:
        ValueError: a number is not finite, a value has no kind, or a text contains NUL, which PostgreSQL can't store.
    """
    return {_text(key): _from_value(value) for key, value in struct.fields.items()}


def _from_value(value: Value) -> Json:
    kind = value.WhichOneof("kind")
    if kind == "null_value":
        return None
    if kind == "number_value":
        return _number(value.number_value)
    if kind == "string_value":
        return _text(value.string_value)
    if kind == "bool_value":
        return value.bool_value
    if kind == "struct_value":
        return from_struct(value.struct_value)
    if kind == "list_value":
        return _from_list(value.list_value)
    raise ValueError("must contain only JSON values, but one value is empty")


def _from_list(values: ListValue) -> list[Json]:
    return [_from_value(value) for value in values.values]


def _number(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError("must contain only finite numbers")
    # Above this limit a double can't represent every integer, and JSON encoders refuse such integers.
    return int(number) if number.is_integer() and abs(number) <= _MAX_EXACT_INTEGER else number


def _text(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not contain NUL")
    return text


def enum_names(enum: EnumDescriptor) -> dict[int, str]:
    """Return the stored name of each number of an enum: `free` for `BILLING_PLAN_FREE`. 0, unspecified, has none."""
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return {value.number: value.name.removeprefix(prefix).lower() for value in enum.values if value.number}


def enum_numbers(enum: _EnumTypeWrapper[EnumNumber]) -> dict[str, EnumNumber]:
    """Return the number of each stored name of an enum. Slices convert columns with this table."""
    return {name: enum.Value(enum.Name(number)) for number, name in enum_names(enum.DESCRIPTOR).items()}  # type: ignore[arg-type]
