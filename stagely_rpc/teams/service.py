"""The rules of teams and their members."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from stagely_rpc import access
from stagely_rpc.access import ResourceRef
from stagely_rpc.db.etag import check_etag
from stagely_rpc.db.models import Team
from stagely_rpc.db.models.rows import TeamMemberRow, TeamRow, UserRow
from stagely_rpc.errors import AlreadyExistsError, FailedPreconditionError, NotFoundError
from stagely_rpc.quotas import service as quotas
from stagely_rpc.teams import queries
from stagely_rpc.teams.inputs import TeamKey
from stagely_rpc.users import service as users

if TYPE_CHECKING:
    from stagely_rpc.db.paging import Found, Page
    from stagely_rpc.db.session import Session
    from stagely_rpc.db.write_session import WriteSession
    from stagely_rpc.fields import Target
    from stagely_rpc.teams.inputs import (
        MemberChange,
        MemberFilter,
        MemberTarget,
        NewMember,
        NewTeam,
        TeamChanges,
        TeamDeletion,
        TeamFilter,
    )


async def create_team(session: WriteSession, new: NewTeam) -> TeamRow:
    """Add a team. The acting user, if any, becomes its owner.

    Raises:
        AlreadyExistsError: the slug is taken. Deleted teams keep their slugs.
    """
    await session.begin()
    team = session.insert(TeamRow, new.model_dump(), {"teams_slug_key": partial(_slug_taken, new.slug)})
    session.team_id = team.id
    owner = session.acting_user
    if owner is None:
        session.record(None, team)
        return team
    session.insert(TeamMemberRow, {"team_id": team.id, "user_id": owner.id, "role": "owner"})
    session.record(None, team, owner_id=owner.id)
    return team


async def get_team(session: Session, key: TeamKey) -> TeamRow:
    """Return a team, deleted or not.

    Raises:
        NotFoundError: there is no such team.
    """
    by_id = key.id is not None
    team = await session.read(queries.TEAM_BY_ID if by_id else queries.TEAM_BY_SLUG, key.id if by_id else key.slug)
    if team is None:
        raise _not_found(key)
    await access.require_team(session, team.id, _not_found(key))
    return team


async def list_teams(session: Session, wanted: TeamFilter, page: Page) -> Found[TeamRow]:
    """Return a page of teams."""
    return await queries.list_teams(session, wanted, page, access.visible(session, Team.id))


async def update_team(session: WriteSession, target: Target, changes: TeamChanges) -> TeamRow:
    """Change a team.

    Raises:
        NotFoundError: there is no such team.
        FailedPreconditionError: it is deleted.
        AbortedError: the etag is stale.
    """
    ref, not_found = ResourceRef(Team, target.id), NotFoundError("Team", target.id)
    (before,) = await access.lock_team(session, ref, not_found, exclusively=True)
    check_etag(before, target.etag)
    team = session.update(before, changes.model_dump(exclude_unset=True))
    session.record(before, team)
    return team


async def delete_team(session: WriteSession, deletion: TeamDeletion) -> TeamRow:
    """Soft-delete a team.

    Raises:
        NotFoundError: there is no such team.
        FailedPreconditionError: it is already deleted, or has live environments and the deletion is not forced.
        AbortedError: the etag is stale.
    """
    ref, not_found = ResourceRef(Team, deletion.id), NotFoundError("Team", deletion.id)
    before, live = await access.lock_team(
        session, ref, not_found, quotas.live_environments_of_team(ref), exclusively=True
    )
    check_etag(before, deletion.etag)
    if live and not deletion.force:
        message = f"team {before.slug!r} has {live} live environments: terminate them first, or force"
        raise FailedPreconditionError(message, subject=f"Team {before.id}", reason="TEAM_HAS_LIVE_ENVIRONMENTS")
    team = session.update(before, {"deleted_at": session.now})
    session.record(before, team)
    return team


async def undelete_team(session: WriteSession, target: Target) -> TeamRow:
    """Restore a deleted team.

    Raises:
        NotFoundError: there is no such team.
        FailedPreconditionError: it is not deleted.
        AbortedError: the etag is stale.
    """
    ref, not_found = ResourceRef(Team, target.id), NotFoundError("Team", target.id)
    before: TeamRow
    (before,) = await access.lock_team_even_deleted(session, ref, not_found, exclusively=True)
    check_etag(before, target.etag)
    if before.deleted_at is None:
        message = f"team {before.slug!r} is not deleted"
        raise FailedPreconditionError(message, subject=f"Team {before.id}", reason="TEAM_NOT_DELETED")
    team = session.update(before, {"deleted_at": None})
    session.record(before, team)
    return team


def _not_found(key: TeamKey) -> NotFoundError:
    return NotFoundError("Team", key.id or key.slug)


def _slug_taken(slug: str) -> AlreadyExistsError:
    message = f"team slug {slug!r} is taken"
    return AlreadyExistsError(message, resource_type="Team", resource_name=slug, reason="TEAM_SLUG_TAKEN")


def _member_exists(user: UserRow, team: TeamRow) -> AlreadyExistsError:
    return AlreadyExistsError(
        f"user {user.email!r} is already a member of team {team.slug!r}",
        resource_type="TeamMember",
        resource_name=str(user.id),
        reason="TEAM_MEMBER_EXISTS",
    )


async def add_member(session: WriteSession, new: NewMember) -> TeamMemberRow:
    """Make a user a member of a team.

    Raises:
        NotFoundError: there is no such team or user.
        FailedPreconditionError: the team is deleted, or the user is deactivated.
        AlreadyExistsError: the user is already a member.
        PermissionDeniedError: the role is above the acting user's role.
    """
    ref, not_found = ResourceRef(Team, new.team_id), NotFoundError("Team", new.team_id)
    team, found = await access.lock_team(session, ref, not_found, users.by_id(new.user_id), exclusively=True)
    access.require_rank(session, new.role)
    user = users.require_active(found, new.user_id)
    member = session.insert(TeamMemberRow, new.model_dump(), {"unique_team_user": partial(_member_exists, user, team)})
    session.record(None, member)
    return member


async def update_member(session: WriteSession, change: MemberChange) -> TeamMemberRow:
    """Change the role of a member.

    Raises:
        NotFoundError: there is no such team, or the user is not a member of it.
        FailedPreconditionError: the team would lose its last owner, or is deleted.
        PermissionDeniedError: the member's current or new role is above the acting user's role.
        AbortedError: the etag is stale.
    """
    before, owners = await _lock_member(session, change)
    access.require_rank(session, change.role)
    if change.role != "owner":
        _refuse_last_owner(before, owners)
    member = session.update(before, {"role": change.role})
    session.record(before, member, user_id=member.user_id)
    return member


async def remove_member(session: WriteSession, target: MemberTarget) -> None:
    """Remove a member from a team.

    Raises:
        NotFoundError: there is no such team, or the user is not a member of it.
        FailedPreconditionError: the team would lose its last owner, or is deleted.
        PermissionDeniedError: the member's role is above the acting user's role.
        AbortedError: the etag is stale.
    """
    member, owners = await _lock_member(session, target)
    _refuse_last_owner(member, owners)
    session.delete(member)
    session.record(member, None)


async def list_members(session: Session, wanted: MemberFilter, page: Page) -> Found[TeamMemberRow]:
    """Return a page of a team's members.

    Raises:
        NotFoundError: there is no such team.
    """
    await access.require_team(session, wanted.team_id, NotFoundError("Team", wanted.team_id))
    found = await queries.list_members(session, wanted, page)
    if not found.rows:
        await get_team(session, TeamKey(id=wanted.team_id))
    return found


async def _lock_member(session: WriteSession, target: MemberTarget) -> tuple[TeamMemberRow, int]:
    """Return a member and the number of owners. The lock on the team protects all its memberships."""
    _, member, owners = await access.lock_team(
        session,
        ResourceRef(Team, target.team_id),
        NotFoundError("Team", target.team_id),
        queries.get_member(target.team_id, target.user_id),
        queries.count_owners(target.team_id),
        exclusively=True,
    )
    if member is None:
        raise NotFoundError("TeamMember", target.user_id)
    access.require_rank(session, member.role)
    check_etag(member, target.etag)
    return member, owners


def _refuse_last_owner(member: TeamMemberRow, owners: int) -> None:
    if member.role == "owner" and owners == 1:
        message = "the last owner of a team can't be removed or demoted: make another member owner first"
        raise FailedPreconditionError(message, subject=f"TeamMember {member.user_id}", reason="LAST_OWNER")
