from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stagely.v1 import project_pb2, team_pb2
from stagely_rpc.wire.malformed import malformed_text_fields
from tests.support import wire

GOOD = team_pb2.UpdateTeamRequest(id="x", name="y").SerializeToString()


def test_fields_that_are_not_utf8_are_named() -> None:
    assert malformed_text_fields(team_pb2.UpdateTeamRequest.DESCRIPTOR, GOOD + b"\x22\x01\xff\x1a\x02\xc3\x28") == [
        "name",
        "etag",
    ]


def test_nested_field_is_named_by_its_path() -> None:
    mask = b"\x0a\x01\xfe"

    raw = b"\x12" + bytes([len(mask)]) + mask

    assert malformed_text_fields(team_pb2.UpdateTeamRequest.DESCRIPTOR, raw) == ["update_mask.paths"]


def test_fault_in_json_names_the_whole_field() -> None:
    config = project_pb2.UpdateProjectRequest.DESCRIPTOR.fields_by_name["config"].number
    raw = wire.nested((config, 1, 2, 5, 1, 1), b"\xff") + wire.nested((config, 1, 2, 3), b"\xfe")

    assert malformed_text_fields(project_pb2.UpdateProjectRequest.DESCRIPTOR, raw) == ["config"]


def test_levels_below_the_decoders_limit_are_not_searched() -> None:
    config = project_pb2.UpdateProjectRequest.DESCRIPTOR.fields_by_name["config"].number
    raw = wire.chunk(config, wire.deep_struct(2_000))

    assert malformed_text_fields(project_pb2.UpdateProjectRequest.DESCRIPTOR, raw) == []


def test_long_request_is_not_searched() -> None:
    bad_name = b"\x22\x01\xff"

    assert malformed_text_fields(team_pb2.UpdateTeamRequest.DESCRIPTOR, bad_name * 80_000) == ["name"]
    assert malformed_text_fields(team_pb2.UpdateTeamRequest.DESCRIPTOR, bad_name * 90_000) == []


def test_valid_text_is_not_named() -> None:
    assert malformed_text_fields(team_pb2.UpdateTeamRequest.DESCRIPTOR, GOOD) == []


@given(st.binary(max_size=200))
def test_any_bytes_can_be_searched(raw: bytes) -> None:
    names = {"id", "etag", "name", "billing_email", "update_mask.paths"}

    assert set(malformed_text_fields(team_pb2.UpdateTeamRequest.DESCRIPTOR, raw)) <= names
