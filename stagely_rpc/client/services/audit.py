"""Audit: see the service in the contract. Generated from protos/ by `make generate`: not to be edited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from stagely.v1 import audit_pb2, audit_pb2_grpc
from stagely_rpc.client.paging import Pager, SyncPager
from stagely_rpc.client.requests import build

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Mapping
    from datetime import datetime

    from google.protobuf import timestamp_pb2

    from stagely_rpc.client.calls import Calls
    from stagely_rpc.client.sync_calls import SyncCalls

AuditResourceTypeName = Literal[
    "team",
    "team_member",
    "project",
    "environment",
    "secret",
    "user",
    "workflow_run",
    "cloud_provider",
    "build_job",
    "agent",
    "key",
    "access",
    "audit_log",
]


class Audit:
    """AuditService reads the audit trail: what was changed, which secrets were read, and what was denied. Its rows are
    written by the RPCs themselves, each in the transaction of what it records; nobody can change or delete them.

    The rows of a team are a chain: within a second of its commit, each row is sealed by a hash over its content, its
    place and the hash of the row before. The rows that are of no team are a chain of their own.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._rpcs = audit_pb2_grpc.AuditServiceStub(calls.channel)

    def list_logs(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        team_id: str | None = None,
        project_id: str | None = None,
        actor_id: str | None = None,
        actor_service: str | None = None,
        action: str | None = None,
        resource_type: audit_pb2.AuditResourceType.ValueType | AuditResourceTypeName | None = None,
        resource_id: str | None = None,
        request_id: str | None = None,
        since: timestamp_pb2.Timestamp | datetime | None = None,
        until: timestamp_pb2.Timestamp | datetime | None = None,
        timeout: float | None = None,
    ) -> Pager[audit_pb2.AuditLog, audit_pb2.ListAuditLogsResponse]:
        """ListAuditLogs returns rows of the trail, newest first. For a user, those of the teams in which the user has
        the role.

        Args:
            page_size: At most this many rows.
            page_token: `next_page_token` of the page before.
            team_id: Only rows of this team.
            project_id: Only rows of this project.
            actor_id: Only what was done for this user.
            actor_service: Only what this service did.
            action: Only this action.
            resource_type: Only rows about resources of this type.
            resource_id: Only rows about this resource.
            request_id: Only rows of the call with this `x-request-id`.
            since: Only rows of this time and later.
            until: Only rows before this time.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            audit_pb2.ListAuditLogsRequest,
            {
                "page_size": page_size,
                "page_token": page_token,
                "team_id": team_id,
                "project_id": project_id,
                "actor_id": actor_id,
                "actor_service": actor_service,
                "action": action,
                "resource_type": resource_type,
                "resource_id": resource_id,
                "request_id": request_id,
                "since": since,
                "until": until,
            },
        )
        return Pager(
            lambda page: self._calls.unary(self._rpcs.ListAuditLogs, page, timeout),
            request,
            lambda page: page.audit_logs,
        )

    def verify_log(
        self,
        *,
        team_id: str | None = None,
        anchor: audit_pb2.ChainPlace | Mapping[str, object] | None = None,
        timeout: float | None = None,
    ) -> AsyncGenerator[audit_pb2.VerifyAuditLogResponse, None]:
        """VerifyAuditLog walks a chain from its first row to the last one that is sealed, and looks for the first that
        is not as it was sealed. It sends its progress, and a verdict at last: a fault is a verdict and no error.

        Who can write to the database and has an old copy of it can put the whole chain back to what it was then. Who
        keeps the head of a verdict, outside of the database, and sends it as the anchor of the next verification,
        finds that too.

        Codes:
        - NOT_FOUND: there is no such team.
        - FAILED_PRECONDITION: the service runs without an encryption key, without which nothing is sealed.

        Args:
            team_id: The team whose chain it is. Unset: the chain of no team, which is verified for no user.
            anchor: A place of this chain that the caller keeps from an earlier verification.
            timeout: seconds that the stream may take. Default: no limit.
        """
        request = build(audit_pb2.VerifyAuditLogRequest, {"team_id": team_id, "anchor": anchor})
        return self._calls.stream(self._rpcs.VerifyAuditLog, request, timeout)


class SyncAudit:
    """AuditService reads the audit trail: what was changed, which secrets were read, and what was denied. Its rows are
    written by the RPCs themselves, each in the transaction of what it records; nobody can change or delete them.

    The rows of a team are a chain: within a second of its commit, each row is sealed by a hash over its content, its
    place and the hash of the row before. The rows that are of no team are a chain of their own.
    """

    def __init__(self, calls: SyncCalls) -> None:
        self._calls = calls
        self._rpcs = audit_pb2_grpc.AuditServiceStub(calls.channel)

    def list_logs(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        team_id: str | None = None,
        project_id: str | None = None,
        actor_id: str | None = None,
        actor_service: str | None = None,
        action: str | None = None,
        resource_type: audit_pb2.AuditResourceType.ValueType | AuditResourceTypeName | None = None,
        resource_id: str | None = None,
        request_id: str | None = None,
        since: timestamp_pb2.Timestamp | datetime | None = None,
        until: timestamp_pb2.Timestamp | datetime | None = None,
        timeout: float | None = None,
    ) -> SyncPager[audit_pb2.AuditLog, audit_pb2.ListAuditLogsResponse]:
        """ListAuditLogs returns rows of the trail, newest first. For a user, those of the teams in which the user has
        the role.

        Args:
            page_size: At most this many rows.
            page_token: `next_page_token` of the page before.
            team_id: Only rows of this team.
            project_id: Only rows of this project.
            actor_id: Only what was done for this user.
            actor_service: Only what this service did.
            action: Only this action.
            resource_type: Only rows about resources of this type.
            resource_id: Only rows about this resource.
            request_id: Only rows of the call with this `x-request-id`.
            since: Only rows of this time and later.
            until: Only rows before this time.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            audit_pb2.ListAuditLogsRequest,
            {
                "page_size": page_size,
                "page_token": page_token,
                "team_id": team_id,
                "project_id": project_id,
                "actor_id": actor_id,
                "actor_service": actor_service,
                "action": action,
                "resource_type": resource_type,
                "resource_id": resource_id,
                "request_id": request_id,
                "since": since,
                "until": until,
            },
        )
        return SyncPager(
            lambda page: self._calls.unary(self._rpcs.ListAuditLogs, page, timeout),
            request,
            lambda page: page.audit_logs,
        )

    def verify_log(
        self,
        *,
        team_id: str | None = None,
        anchor: audit_pb2.ChainPlace | Mapping[str, object] | None = None,
        timeout: float | None = None,
    ) -> Generator[audit_pb2.VerifyAuditLogResponse, None, None]:
        """VerifyAuditLog walks a chain from its first row to the last one that is sealed, and looks for the first that
        is not as it was sealed. It sends its progress, and a verdict at last: a fault is a verdict and no error.

        Who can write to the database and has an old copy of it can put the whole chain back to what it was then. Who
        keeps the head of a verdict, outside of the database, and sends it as the anchor of the next verification,
        finds that too.

        Codes:
        - NOT_FOUND: there is no such team.
        - FAILED_PRECONDITION: the service runs without an encryption key, without which nothing is sealed.

        Args:
            team_id: The team whose chain it is. Unset: the chain of no team, which is verified for no user.
            anchor: A place of this chain that the caller keeps from an earlier verification.
            timeout: seconds that the stream may take. Default: no limit.
        """
        request = build(audit_pb2.VerifyAuditLogRequest, {"team_id": team_id, "anchor": anchor})
        return self._calls.stream(self._rpcs.VerifyAuditLog, request, timeout)
