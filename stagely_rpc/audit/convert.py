"""Convert audit rows and verification results to messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely.v1 import audit_pb2
from stagely_rpc.audit.verification import Progress
from stagely_rpc.wire.values import enum_numbers, to_struct, to_timestamp

if TYPE_CHECKING:
    from stagely_rpc.audit.chain import Link
    from stagely_rpc.audit.verification import Fault, Verdict
    from stagely_rpc.db.models.rows import AuditLogRow

RESOURCE_TYPE_TO_PROTO = enum_numbers(audit_pb2.AuditResourceType)
FAULT_KIND_TO_PROTO = enum_numbers(audit_pb2.AuditFaultKind)


def audit_log_to_proto(row: AuditLogRow, link: Link | None) -> audit_pb2.AuditLog:
    """Convert an audit row, with its position in its chain if it is sealed."""
    return audit_pb2.AuditLog(
        id=str(row.id),
        timestamp=to_timestamp(row.timestamp),
        actor_id=_text(row.actor_id),
        actor_email=row.actor_email,
        actor_service=row.actor_service,
        actor_ip=_text(row.actor_ip),
        action=row.action,
        resource_type=RESOURCE_TYPE_TO_PROTO[row.resource_type],
        resource_id=_text(row.resource_id),
        team_id=_text(row.team_id),
        project_id=_text(row.project_id),
        metadata=None if row.metadata is None else to_struct(row.metadata),
        request_id=row.request_id,
        place=None if link is None else link_to_proto(link),
    )


def link_to_proto(link: Link) -> audit_pb2.ChainPlace:
    """Convert a position in a chain."""
    return audit_pb2.ChainPlace(position=link.position, hash=link.hash)


def step_to_proto(step: Progress | Verdict) -> audit_pb2.VerifyAuditLogResponse:
    """Convert a step of a verification."""
    if isinstance(step, Progress):
        progress = audit_pb2.VerificationProgress(verified_count=step.verified, sealed_count=step.end)
        return audit_pb2.VerifyAuditLogResponse(progress=progress)
    verdict = audit_pb2.Verdict(
        head=link_to_proto(step.head),
        unsealed_count=step.unsealed,
        fault=None if step.fault is None else fault_to_proto(step.fault),
    )
    return audit_pb2.VerifyAuditLogResponse(verdict=verdict)


def fault_to_proto(fault: Fault) -> audit_pb2.AuditFault:
    """Convert a fault."""
    return audit_pb2.AuditFault(
        kind=FAULT_KIND_TO_PROTO[fault.kind], position=fault.position, audit_log_id=_text(fault.audit_log_id)
    )


def _text(value: object | None) -> str | None:
    return None if value is None else str(value)
