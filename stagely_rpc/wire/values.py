"""Protobuf values to Python's and back: times, JSON objects, enums. Pure functions."""

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


def to_timestamp(moment: datetime | None) -> Any:  # noqa: ANN401 - the stubs of messages ask for a Timestamp
    """Return what a field of type Timestamp is made from; None, which leaves it unset, for None.

    It is the mapping of the message's fields: of that, protobuf fills the field in place, and of a message it makes a
    copy, through its serialized form.
    """
    if moment is None:
        return None
    since = moment - _EPOCH
    return {"seconds": since.days * _SECONDS_PER_DAY + since.seconds, "nanos": since.microseconds * 1000}


def from_timestamp(timestamp: Timestamp) -> datetime:
    """Return a message's time, to the microsecond.

    Raises:
        ValueError: it is not within the years 1 to 9999, or its nanos are not within a second.
    """
    if not 0 <= timestamp.nanos < _NANOS_PER_SECOND:
        raise ValueError("nanos must be from 0 to 999999999")
    try:
        return _EPOCH + timedelta(seconds=timestamp.seconds, microseconds=timestamp.nanos // 1000)
    except OverflowError as error:
        raise ValueError("must be within the years 1 to 9999") from error


def to_struct(value: Mapping[str, Any]) -> Struct:
    """Return a JSON object as a message."""
    struct = Struct()
    struct.update(value)
    return struct


def from_struct(struct: Struct) -> dict[str, Json]:
    """Return a message's JSON object.

    Raises:
        ValueError: a number is not finite, a value is of no kind, or a text holds NUL, which PostgreSQL can't store.
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
    raise ValueError("must hold JSON values only, and one holds none")


def _from_list(values: ListValue) -> list[Json]:
    return [_from_value(value) for value in values.values]


def _number(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError("must hold finite numbers only")
    # Beyond this a double no longer tells neighbouring whole numbers apart, and JSON's writers refuse them as integers.
    return int(number) if number.is_integer() and abs(number) <= _MAX_EXACT_INTEGER else number


def _text(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not contain NUL")
    return text


def enum_names(enum: EnumDescriptor) -> dict[int, str]:
    """Return the stored form of an enum's numbers: `BILLING_PLAN_FREE` is `free`; 0, unspecified, has none."""
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return {value.number: value.name.removeprefix(prefix).lower() for value in enum.values if value.number}


def enum_numbers(enum: _EnumTypeWrapper[EnumNumber]) -> dict[str, EnumNumber]:
    """Return an enum's numbers by their stored form: the table with which a slice converts a column."""
    return {name: enum.Value(enum.Name(number)) for number, name in enum_names(enum.DESCRIPTOR).items()}  # type: ignore[arg-type]
