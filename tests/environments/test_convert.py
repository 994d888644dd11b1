from __future__ import annotations

import uuid
from datetime import UTC, datetime
from decimal import Decimal
from ipaddress import ip_address
from typing import Any, get_args

import pytest

from stagely.v1 import environment_pb2
from stagely_rpc.db.etag import etag_of
from stagely_rpc.db.models.rows import EnvironmentRow
from stagely_rpc.environments.convert import STATUS_TO_PROTO, VM_STATUS_TO_PROTO, environment_to_proto
from stagely_rpc.environments.inputs import Status, VmStatus
from tests.support.rows import row_of

ID = uuid.UUID("4f9c2e3a-8d11-4c55-9b1e-0a6f2d7c8e90")
PROJECT_ID = uuid.UUID("00000000-0000-4000-8000-000000000001")
NOON = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)


def row(**overrides: Any) -> EnvironmentRow:
    given = {
        "id": ID,
        "project_id": PROJECT_ID,
        "pr_number": 12,
        "branch_name": "main",
        "commit_hash": "a" * 40,
        "subdomain_hash": "pr-12-a8f9d2k1p4m7",
        "vm_id": "i-0abc",
        "vm_ip": ip_address("10.0.0.1"),
        "vm_status": "running",
        "status": "ready",
        "deployed_at": NOON,
        "last_heartbeat_at": NOON,
        "terminated_at": NOON,
        "estimated_cost_usd": Decimal("1.2345"),
        "created_at": NOON,
        "updated_at": NOON,
        "row_version": 3,
    }
    return row_of(EnvironmentRow, **(given | overrides))


def test_every_field_of_the_message_is_set() -> None:
    environment = row()

    message = environment_to_proto(environment, "stagely.dev")

    assert {field.name for field, _ in message.ListFields()} == set(message.DESCRIPTOR.fields_by_name)
    assert message.id == str(ID)
    assert message.project_id == str(PROJECT_ID)
    assert message.url == "https://pr-12-a8f9d2k1p4m7.stagely.dev"
    assert message.vm_ip == "10.0.0.1"
    assert message.deployed_at.ToDatetime(tzinfo=UTC) == NOON
    assert message.estimated_cost_usd_micros == 1_234_500
    assert message.etag == etag_of(environment)


@pytest.mark.parametrize("field", ["pr_number", "vm_id", "vm_ip", "deployed_at", "last_heartbeat_at", "terminated_at"])
def test_null_column_is_an_unset_field(field: str) -> None:
    assert not environment_to_proto(row(**{field: None}), "stagely.dev").HasField(field)  # type: ignore[arg-type]


@pytest.mark.parametrize("status", get_args(Status))
def test_each_status_maps_to_its_enum_value(status: str) -> None:
    message = environment_to_proto(row(status=status), "stagely.dev")

    assert environment_pb2.EnvironmentStatus.Name(message.status) == f"ENVIRONMENT_STATUS_{status.upper()}"


@pytest.mark.parametrize("status", get_args(VmStatus))
def test_each_vm_status_maps_to_its_enum_value(status: str) -> None:
    message = environment_to_proto(row(vm_status=status), "stagely.dev")

    assert environment_pb2.VmStatus.Name(message.vm_status) == f"VM_STATUS_{status.upper()}"


def test_inputs_accept_every_status_of_the_contract() -> None:
    assert set(STATUS_TO_PROTO) == set(get_args(Status))
    assert set(VM_STATUS_TO_PROTO) == set(get_args(VmStatus))


@pytest.mark.parametrize(
    ("amount", "micros"), [("0.0000", 0), ("0.0001", 100), ("999999.9999", 999_999_999_900), ("0.0", 0)]
)
def test_cost_is_converted_exactly(amount: str, micros: int) -> None:
    message = environment_to_proto(row(estimated_cost_usd=Decimal(amount)), "stagely.dev")

    assert message.estimated_cost_usd_micros == micros


def test_ipv6_address_is_written_canonically() -> None:
    message = environment_to_proto(row(vm_ip=ip_address("2001:DB8:0:0:0:0:0:1")), "stagely.dev")

    assert message.vm_ip == "2001:db8::1"
