from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import orjson
import pytest
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import example, given
from hypothesis import strategies as st

from stagely.v1 import team_pb2
from stagely_rpc.wire.values import enum_numbers, from_struct, from_timestamp, to_struct, to_timestamp

moments = st.datetimes(timezones=st.just(UTC)) | st.datetimes(
    datetime(1, 1, 2),  # noqa: DTZ001 - the bounds must have no time zone
    datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=st.integers(-23, 23).map(lambda hours: timezone(timedelta(hours=hours))),
)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
numbers = st.integers(min_value=-(2**53), max_value=2**53) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(moments)
@example(datetime.min.replace(tzinfo=UTC))
@example(datetime.max.replace(tzinfo=UTC))
@example(datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC))
def test_time_is_converted_as_by_protobuf_and_back(moment: datetime) -> None:
    expected = Timestamp()
    expected.FromDatetime(moment)

    field = team_pb2.Team(created_at=to_timestamp(moment)).created_at

    assert field == expected
    assert from_timestamp(field) == moment


def test_none_leaves_the_timestamp_unset() -> None:
    assert to_timestamp(None) is None


@pytest.mark.parametrize(
    "timestamp",
    [
        Timestamp(seconds=2**62),
        Timestamp(seconds=-(2**62)),
        Timestamp(nanos=-1),
        Timestamp(nanos=1_000_000_000),
        Timestamp(seconds=253_402_300_800),
    ],
)
def test_time_out_of_range_is_refused(timestamp: Timestamp) -> None:
    with pytest.raises(ValueError, match="must be"):
        from_timestamp(timestamp)


@given(st.dictionaries(texts, json_values, max_size=5))
def test_json_object_is_converted_and_back(value: dict[str, object]) -> None:
    assert from_struct(to_struct(value)) == value


def test_whole_numbers_stay_integers() -> None:
    value = from_struct(to_struct({"count": 3, "share": 0.5, "far": 1e300}))

    assert {name: type(number) for name, number in value.items()} == {"count": int, "share": float, "far": float}
    assert orjson.loads(orjson.dumps(value)) == value


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_number_that_is_not_finite_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        from_struct(Struct(fields={"a": Value(number_value=number)}))


def test_value_without_a_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        from_struct(Struct(fields={"a": Value()}))


@pytest.mark.parametrize("struct", [Struct(fields={"\0": Value(bool_value=True)}), to_struct({"a": ["\0"]})])
def test_nul_is_refused_at_any_depth(struct: Struct) -> None:
    with pytest.raises(ValueError, match="NUL"):
        from_struct(struct)


def test_enum_numbers_have_their_stored_names() -> None:
    assert enum_numbers(team_pb2.TeamRole) == {"owner": 1, "admin": 2, "member": 3, "viewer": 4}
