"""AuditService over gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely.v1 import audit_pb2, audit_pb2_grpc
from stagely_rpc.audit import service
from stagely_rpc.audit.convert import audit_log_to_proto, step_to_proto
from stagely_rpc.audit.inputs import AuditLogFilter, ChainToVerify
from stagely_rpc.wire.requests import parse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stagely_rpc.audit.chain import ChainKey
    from stagely_rpc.db.database import Database
    from stagely_rpc.wire.context import Context
    from stagely_rpc.wire.paging import PageTokens


class AuditServicer(audit_pb2_grpc.AuditServiceServicer):
    """Lists and verifies the audit log."""

    def __init__(self, db: Database, pages: PageTokens, key: ChainKey | None) -> None:
        self._db = db
        self._pages = pages
        self._key = key

    async def ListAuditLogs(
        self, request: audit_pb2.ListAuditLogsRequest, context: Context
    ) -> audit_pb2.ListAuditLogsResponse:
        wanted, page = parse(AuditLogFilter, request), self._pages.page(request)
        async with self._db.read() as session:
            found, links = await service.list_audit_logs(session, wanted, page)
            return audit_pb2.ListAuditLogsResponse(
                audit_logs=[audit_log_to_proto(row, links.get(row.id)) for row in found.rows],
                next_page_token=self._pages.next_page_token(request, found.last),
            )

    async def VerifyAuditLog(
        self, request: audit_pb2.VerifyAuditLogRequest, context: Context
    ) -> AsyncIterator[audit_pb2.VerifyAuditLogResponse]:
        wanted = parse(ChainToVerify, request)
        async with self._db.read() as session:
            async for step in service.verify_audit_log(session, self._key, wanted):
                yield step_to_proto(step)
