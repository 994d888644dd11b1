from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from stagely.v1 import environment_pb2, team_pb2
from tests.support.environments import (
    COMMIT,
    OTHER_COMMIT,
    archive,
    get_environment,
    insert_environment,
    make_environment,
    team_of,
)
from tests.support.refusals import refused

if TYPE_CHECKING:
    from stagely.v1.environment_pb2_grpc import EnvironmentServiceAsyncStub
    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub

EVERY_FIELD: dict[str, Any] = {
    "vm_id": "i-0abc",
    "vm_ip": "203.0.113.9",
    "vm_status": environment_pb2.VM_STATUS_RUNNING,
    "commit_hash": OTHER_COMMIT,
    "estimated_cost_usd_micros": 1_234_500,
}


async def update(
    environments: EnvironmentServiceAsyncStub, environment_id: str, *mask: str, etag: str = "", **values: Any
) -> environment_pb2.Environment:
    request = environment_pb2.UpdateEnvironmentRequest(id=environment_id, etag=etag, **values)
    if mask:
        request.update_mask.paths.extend(mask)
    return (await environments.UpdateEnvironment(request)).environment


async def test_update_without_a_mask_changes_set_fields(
    environments: EnvironmentServiceAsyncStub, project_id: str
) -> None:
    made = await make_environment(environments, project_id)

    changed = await update(environments, made.id, **EVERY_FIELD)

    assert {name: getattr(changed, name) for name in EVERY_FIELD} == EVERY_FIELD
    assert changed.etag != made.etag
    assert changed.updated_at.ToNanoseconds() > made.updated_at.ToNanoseconds()
    assert await get_environment(environments, id=made.id) == changed


async def test_update_changes_only_masked_fields(environments: EnvironmentServiceAsyncStub, project_id: str) -> None:
    made = await make_environment(environments, project_id)

    changed = await update(environments, made.id, "vm_id", "vm_status", **EVERY_FIELD)

    assert (changed.vm_id, changed.vm_status) == ("i-0abc", environment_pb2.VM_STATUS_RUNNING)
    assert not changed.HasField("vm_ip")
    assert changed.commit_hash == COMMIT
    assert changed.estimated_cost_usd_micros == 0


async def test_masked_and_unset_fields_are_cleared(environments: EnvironmentServiceAsyncStub, project_id: str) -> None:
    made = await make_environment(environments, project_id)
    await update(environments, made.id, **EVERY_FIELD)

    cleared = await update(environments, made.id, "vm_id", "vm_ip", "vm_status", "estimated_cost_usd_micros")

    assert not cleared.HasField("vm_id")
    assert not cleared.HasField("vm_ip")
    assert cleared.vm_status == environment_pb2.VM_STATUS_PENDING
    assert cleared.estimated_cost_usd_micros == 0
    assert cleared.commit_hash == OTHER_COMMIT


async def test_commit_cannot_be_cleared(environments: EnvironmentServiceAsyncStub, project_id: str) -> None:
    made = await make_environment(environments, project_id)

    for mask in ("commit_hash", "*"):
        with refused(grpc.StatusCode.INVALID_ARGUMENT, field="commit_hash"):
            await update(environments, made.id, mask, vm_id="i-0abc")

    assert await get_environment(environments, id=made.id) == made


async def test_star_mask_selects_every_field(environments: EnvironmentServiceAsyncStub, project_id: str) -> None:
    made = await make_environment(environments, project_id)

    changed = await update(environments, made.id, "*", **EVERY_FIELD)

    assert {name: getattr(changed, name) for name in EVERY_FIELD} == EVERY_FIELD


@pytest.mark.parametrize(
    "path", ["status", "subdomain_hash", "url", "branch_name", "project_id", "etag", "nonsense", ""]
)
async def test_mask_with_an_immutable_or_unknown_field_is_refused(
    environments: EnvironmentServiceAsyncStub, project_id: str, path: str
) -> None:
    made = await make_environment(environments, project_id)

    with refused(grpc.StatusCode.INVALID_ARGUMENT, field="update_mask"):
        await update(environments, made.id, path, vm_id="i-0abc")


async def test_empty_update_changes_nothing(environments: EnvironmentServiceAsyncStub, project_id: str) -> None:
    made = await make_environment(environments, project_id)

    assert await update(environments, made.id) == made
    request = environment_pb2.UpdateEnvironmentRequest(id=made.id, update_mask=FieldMask(), vm_id="i-0abc")
    assert (await environments.UpdateEnvironment(request)).environment == made


async def test_current_etag_is_accepted_and_stale_etag_is_refused(
    environments: EnvironmentServiceAsyncStub, project_id: str
) -> None:
    made = await make_environment(environments, project_id)
    changed = await update(environments, made.id, etag=made.etag, vm_id="i-1")

    with refused(grpc.StatusCode.ABORTED, reason="ETAG_STALE"):
        await update(environments, made.id, etag=made.etag, vm_id="i-2")

    assert await get_environment(environments, id=made.id) == changed


async def test_update_of_an_unknown_environment_is_not_found(environments: EnvironmentServiceAsyncStub) -> None:
    with refused(grpc.StatusCode.NOT_FOUND):
        await update(environments, "00000000-0000-4000-8000-000000000000", vm_id="i-1")


@pytest.mark.parametrize("status", ["terminated", "reaped"])
async def test_vm_of_a_closed_environment_can_be_updated(
    environments: EnvironmentServiceAsyncStub, database_url: str, project_id: str, status: str
) -> None:
    closed = await insert_environment(database_url, project_id, status)

    changed = await update(
        environments, closed, vm_id="i-1", vm_status=environment_pb2.VM_STATUS_TERMINATED, estimated_cost_usd_micros=100
    )

    assert changed.vm_status == environment_pb2.VM_STATUS_TERMINATED
    with refused(grpc.StatusCode.FAILED_PRECONDITION, reason="ENVIRONMENT_CLOSED"):
        await update(environments, closed, vm_id="i-2", commit_hash=OTHER_COMMIT)
    assert await get_environment(environments, id=closed) == changed


async def test_environment_of_a_deleted_team_and_an_archived_project_can_be_updated(
    environments: EnvironmentServiceAsyncStub, teams: TeamServiceAsyncStub, database_url: str, project_id: str
) -> None:
    made = await make_environment(environments, project_id)
    await archive(database_url, project_id)
    team_id = await team_of(database_url, project_id)
    await teams.DeleteTeam(team_pb2.DeleteTeamRequest(id=team_id, force=True))

    changed = await update(environments, made.id, **EVERY_FIELD)

    assert changed.vm_ip == "203.0.113.9"


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("0000:0000:0000:0000:0000:0000:0000:0000", "::"),
        ("255.255.255.255", "255.255.255.255"),
    ],
)
async def test_address_is_stored_in_canonical_form(
    environments: EnvironmentServiceAsyncStub, project_id: str, given: str, stored: str
) -> None:
    made = await make_environment(environments, project_id)

    assert (await update(environments, made.id, vm_ip=given)).vm_ip == stored
    assert (await get_environment(environments, id=made.id)).vm_ip == stored


@pytest.mark.parametrize("micros", [0, 100, 999_999_999_900])
async def test_cost_is_stored_exactly(environments: EnvironmentServiceAsyncStub, project_id: str, micros: int) -> None:
    made = await make_environment(environments, project_id)
    await update(environments, made.id, estimated_cost_usd_micros=12_300)

    await update(environments, made.id, estimated_cost_usd_micros=micros)

    assert (await get_environment(environments, id=made.id)).estimated_cost_usd_micros == micros


@pytest.mark.parametrize(
    ("field", "value", "description"),
    [
        ("estimated_cost_usd_micros", 99, "multiple of 100"),
        ("estimated_cost_usd_micros", 150, "multiple of 100"),
        ("estimated_cost_usd_micros", -100, "greater than or equal to 0"),
        ("estimated_cost_usd_micros", 1_000_000_000_000, "less than or equal to 999999999900"),
        ("estimated_cost_usd_micros", 2**63 - 1, "less than or equal to 999999999900"),
        ("estimated_cost_usd_micros", -(2**63), "greater than or equal to 0"),
        ("vm_ip", "", "IPv4 or IPv6"),
        ("vm_ip", "10.0.0", "IPv4 or IPv6"),
        ("vm_ip", "10.0.0.0/8", "IPv4 or IPv6"),
        ("vm_ip", "010.0.0.1", "IPv4 or IPv6"),
        ("vm_ip", "fe80::1%eth0", "no zone"),
        ("vm_ip", "example.com", "IPv4 or IPv6"),
        ("vm_id", "", "at least 1"),
        ("vm_id", "i" * 256, "at most 255"),
        ("vm_id", "i\n0", "control characters"),
        ("commit_hash", "", "7 to 40 hexadecimal"),
        ("vm_status", 99, "VM_STATUS_RUNNING"),
    ],
)
async def test_invalid_value_is_refused(
    environments: EnvironmentServiceAsyncStub, project_id: str, field: str, value: Any, description: str
) -> None:
    made = await make_environment(environments, project_id)
    wrong: dict[str, Any] = {field: value}

    with refused(grpc.StatusCode.INVALID_ARGUMENT, field=field) as refusal:
        await update(environments, made.id, **wrong)

    assert description in refusal.fields[field]


async def test_longest_vm_id_is_accepted(environments: EnvironmentServiceAsyncStub, project_id: str) -> None:
    made = await make_environment(environments, project_id)

    assert (await update(environments, made.id, vm_id="ö" * 255)).vm_id == "ö" * 255
