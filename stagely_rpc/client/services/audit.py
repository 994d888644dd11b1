"""Audit: see the service in the contract. Generated from protos/ by `make generate`. Do not edit."""

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
    """AuditService reads the audit log: changes, reads of secrets, and denied calls. Each RPC writes its entry in the
    transaction of the change itself. Entries can't be changed or deleted.

    The entries of a team form a hash chain. Within about a second of its commit, each entry is sealed with a hash
    over its content, its position and the hash of the previous entry. Entries without a team form a separate chain.
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
        """ListAuditLogs returns audit entries, newest first. For an acting user, it returns the entries of the teams in
        which the user has the role.

        Args:
            page_size: Maximum number of entries. Default: 50, maximum: 500.
            page_token: The `next_page_token` of the previous page. Empty: the first page.
            team_id: Only entries of this team.
            project_id: Only entries of this project.
            actor_id: Only entries with this acting user.
            actor_service: Only entries of this calling service.
            action: Only entries with this action.
            resource_type: Only entries about this type of resource.
            resource_id: Only entries about this resource.
            request_id: Only entries of the call with this `x-request-id`.
            since: Only entries at or after this time.
            until: Only entries before this time.
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
        """VerifyAuditLog checks a chain from its first entry to its last sealed entry, and reports the first fault. The
        stream sends progress, then one verdict. A fault is part of the verdict; the call still ends with OK.

        An attacker with write access to the database can replace a whole chain with an older copy. To detect this,
        store the head of each verdict outside the database, and send it as the anchor of the next verification.

        Codes:
        - NOT_FOUND: there is no such team.
        - FAILED_PRECONDITION: the service runs without an encryption key, so nothing is sealed
          (ENCRYPTION_KEY_MISSING).

        Args:
            team_id: The team whose chain to verify. Unset: the chain of the entries without a team, which a service
                can't verify for a user.
            anchor: The head of an earlier verdict on this chain, which the caller has stored.
            timeout: seconds that the stream may take. Default: no limit.
        """
        request = build(audit_pb2.VerifyAuditLogRequest, {"team_id": team_id, "anchor": anchor})
        return self._calls.stream(self._rpcs.VerifyAuditLog, request, timeout)


class SyncAudit:
    """AuditService reads the audit log: changes, reads of secrets, and denied calls. Each RPC writes its entry in the
    transaction of the change itself. Entries can't be changed or deleted.

    The entries of a team form a hash chain. Within about a second of its commit, each entry is sealed with a hash
    over its content, its position and the hash of the previous entry. Entries without a team form a separate chain.
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
        """ListAuditLogs returns audit entries, newest first. For an acting user, it returns the entries of the teams in
        which the user has the role.

        Args:
            page_size: Maximum number of entries. Default: 50, maximum: 500.
            page_token: The `next_page_token` of the previous page. Empty: the first page.
            team_id: Only entries of this team.
            project_id: Only entries of this project.
            actor_id: Only entries with this acting user.
            actor_service: Only entries of this calling service.
            action: Only entries with this action.
            resource_type: Only entries about this type of resource.
            resource_id: Only entries about this resource.
            request_id: Only entries of the call with this `x-request-id`.
            since: Only entries at or after this time.
            until: Only entries before this time.
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
        """VerifyAuditLog checks a chain from its first entry to its last sealed entry, and reports the first fault. The
        stream sends progress, then one verdict. A fault is part of the verdict; the call still ends with OK.

        An attacker with write access to the database can replace a whole chain with an older copy. To detect this,
        store the head of each verdict outside the database, and send it as the anchor of the next verification.

        Codes:
        - NOT_FOUND: there is no such team.
        - FAILED_PRECONDITION: the service runs without an encryption key, so nothing is sealed
          (ENCRYPTION_KEY_MISSING).

        Args:
            team_id: The team whose chain to verify. Unset: the chain of the entries without a team, which a service
                can't verify for a user.
            anchor: The head of an earlier verdict on this chain, which the caller has stored.
            timeout: seconds that the stream may take. Default: no limit.
        """
        request = build(audit_pb2.VerifyAuditLogRequest, {"team_id": team_id, "anchor": anchor})
        return self._calls.stream(self._rpcs.VerifyAuditLog, request, timeout)
