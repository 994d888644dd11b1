"""Rules for reading and verifying the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely_rpc import access
from stagely_rpc.audit import queries, verification
from stagely_rpc.audit.chain import NO_TEAM, Link
from stagely_rpc.db.models import AuditLog
from stagely_rpc.errors import FailedPreconditionError
from stagely_rpc.teams import service as teams
from stagely_rpc.teams.inputs import TeamKey

if TYPE_CHECKING:
    import uuid
    from collections.abc import AsyncIterator

    from stagely_rpc.audit.chain import ChainKey
    from stagely_rpc.audit.inputs import AuditLogFilter, ChainToVerify
    from stagely_rpc.audit.verification import Progress, Verdict
    from stagely_rpc.db.models.rows import AuditLogRow
    from stagely_rpc.db.paging import Found, Page
    from stagely_rpc.db.session import Session


async def list_audit_logs(
    session: Session, wanted: AuditLogFilter, page: Page
) -> tuple[Found[AuditLogRow], dict[uuid.UUID, Link]]:
    """Return a page of audit rows, and the chain positions of those that are sealed."""
    visible = access.visible(session, AuditLog.team_id)
    found = await queries.list_audit_logs(session, wanted, page, visible)
    return found, await queries.get_links(session, [row.id for row in found.rows])


async def verify_audit_log(
    session: Session, key: ChainKey | None, wanted: ChainToVerify
) -> AsyncIterator[Progress | Verdict]:
    """Verify a chain; yield progress, then the verdict.

    Raises:
        NotFoundError: the team does not exist.
        PermissionDeniedError: a user requested the chain of rows without a team.
        FailedPreconditionError: there is no encryption key.
    """
    await _require_chain(session, wanted.team_id)
    if key is None:
        message = "the audit log can't be verified: the service runs without ENCRYPTION_KEY"
        raise FailedPreconditionError(message, subject="ENCRYPTION_KEY", reason="ENCRYPTION_KEY_MISSING")
    anchor = Link(wanted.anchor.position, wanted.anchor.hash) if wanted.anchor else None
    async for step in verification.verify(session, key, wanted.team_id or NO_TEAM, anchor):
        yield step


async def _require_chain(session: Session, team_id: uuid.UUID | None) -> None:
    if team_id is not None:
        await teams.get_team(session, TeamKey(id=team_id))
        return
    access.require_no_user(session, "the chain of rows without a team")
