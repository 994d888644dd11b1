"""Converts rows of environments to messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely.v1 import environment_pb2
from stagely_rpc.db.etag import etag_of
from stagely_rpc.wire.values import enum_numbers, to_timestamp

if TYPE_CHECKING:
    from stagely_rpc.db.models.rows import EnvironmentRow

STATUS_TO_PROTO = enum_numbers(environment_pb2.EnvironmentStatus)
VM_STATUS_TO_PROTO = enum_numbers(environment_pb2.VmStatus)

_MICROS_PER_DOLLAR = 1_000_000


def environment_to_proto(environment: EnvironmentRow, domain: str) -> environment_pb2.Environment:
    """Return the message for an environment.

    Args:
        environment: the row.
        domain: the parent domain of the environments' host names, such as `stagely.dev`.
    """
    return environment_pb2.Environment(
        id=str(environment.id),
        project_id=str(environment.project_id),
        pr_number=environment.pr_number,
        branch_name=environment.branch_name,
        commit_hash=environment.commit_hash,
        subdomain_hash=environment.subdomain_hash,
        url=f"https://{environment.subdomain_hash}.{domain}",
        vm_id=environment.vm_id,
        vm_ip=None if environment.vm_ip is None else str(environment.vm_ip),
        vm_status=VM_STATUS_TO_PROTO[environment.vm_status],
        status=STATUS_TO_PROTO[environment.status],
        deployed_at=to_timestamp(environment.deployed_at),
        last_heartbeat_at=to_timestamp(environment.last_heartbeat_at),
        terminated_at=to_timestamp(environment.terminated_at),
        # Exact: the column has four decimals.
        estimated_cost_usd_micros=int(environment.estimated_cost_usd * _MICROS_PER_DOLLAR),
        created_at=to_timestamp(environment.created_at),
        updated_at=to_timestamp(environment.updated_at),
        etag=etag_of(environment),
    )
