from __future__ import annotations

import datetime as dt

import pytest

from stagely.v1 import audit_pb2, environment_pb2, project_pb2, secret_pb2, team_pb2
from stagely_rpc.client.requests import UNSET, build, build_update

SECRET = "correct-horse"


def test_none_is_not_set() -> None:
    request = build(team_pb2.CreateTeamRequest, {"slug": "web", "billing_email": None, "max_concurrent_builds": 0})

    assert request == team_pb2.CreateTeamRequest(slug="web", max_concurrent_builds=0)


@pytest.mark.parametrize("role", ["owner", "Owner", "TEAM_ROLE_OWNER", team_pb2.TEAM_ROLE_OWNER])
def test_enum_value_can_be_given_by_any_of_its_names(role: object) -> None:
    assert build(team_pb2.AddTeamMemberRequest, {"role": role}).role == team_pb2.TEAM_ROLE_OWNER


def test_unknown_name_of_an_enum_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"^TeamRole: 'boss' is not one of owner, admin, member, viewer$"):
        build(team_pb2.AddTeamMemberRequest, {"role": "boss"})


def test_repeated_enum_values_can_be_given_by_name() -> None:
    request = build(environment_pb2.ListEnvironmentsRequest, {"statuses": ("ready", "failed")})

    assert request.statuses == [environment_pb2.ENVIRONMENT_STATUS_READY, environment_pb2.ENVIRONMENT_STATUS_FAILED]


def test_time_without_a_zone_is_refused() -> None:
    noon = dt.datetime(2026, 1, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2)))

    request = build(audit_pb2.ListAuditLogsRequest, {"since": noon})

    assert request.since.ToDatetime(dt.UTC) == noon
    with pytest.raises(ValueError, match=r"^since: a time needs a time zone$"):
        build(audit_pb2.ListAuditLogsRequest, {"since": noon.replace(tzinfo=None)})


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("value", SECRET, TypeError),
        ("value", [SECRET], TypeError),
        ("key", 5, TypeError),
        ("key", f"{SECRET}\ud800", ValueError),
        ("key", SECRET.encode() + b"\xff", ValueError),
    ],
)
def test_value_of_the_wrong_type_is_named_by_its_field_and_not_quoted(
    field: str, value: object, error: type[Exception]
) -> None:
    with pytest.raises(error, match=rf"^{field}: .* does not fit this field$") as refused:
        build(secret_pb2.SetSecretRequest, {"project_id": "p", field: value})

    assert SECRET not in str(refused.value)
    assert refused.value.__suppress_context__


def test_number_out_of_range_is_named_by_its_field() -> None:
    with pytest.raises(ValueError, match=r"^max_concurrent_builds: "):
        build(team_pb2.CreateTeamRequest, {"max_concurrent_builds": 2**40})


def test_value_that_is_not_a_json_object_is_named_by_its_field() -> None:
    with pytest.raises(TypeError, match=r"^config: "):
        build(project_pb2.CreateProjectRequest, {"config": "text"})


def test_update_masks_given_fields_and_sets_those_that_are_not_none() -> None:
    request = build_update(
        team_pb2.UpdateTeamRequest,
        {"id": "1", "etag": None},
        {"name": "New", "billing_email": None, "billing_plan": UNSET},
    )

    assert sorted(request.update_mask.paths) == ["billing_email", "name"]
    assert (request.id, request.name, request.HasField("billing_email")) == ("1", "New", False)
    assert repr(UNSET) == "UNSET"
