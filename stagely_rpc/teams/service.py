"""The rules of teams and their members."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from stagely_rpc import access
from stagely_rpc.db.errors import constraint
from stagely_rpc.db.etag import check_etag
from stagely_rpc.db.models import Team, TeamMember
from stagely_rpc.db.session import state
from stagely_rpc.errors import AlreadyExistsError, FailedPreconditionError, NotFoundError
from stagely_rpc.teams import queries
from stagely_rpc.teams.inputs import TeamKey
from stagely_rpc.users import service as users

if TYPE_CHECKING:
    import uuid

    from stagely_rpc.call import Role
    from stagely_rpc.db.paging import Found, Page
    from stagely_rpc.db.session import Session, WriteSession
    from stagely_rpc.inputs import Target
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


async def create_team(session: WriteSession, new: NewTeam) -> Team:
    """Add a team; the acting user, if there is one, becomes its owner.

    Raises:
        AlreadyExistsError: the slug is taken, by a deleted team too.
    """
    taken = AlreadyExistsError(
        f"team slug {new.slug!r} is taken", resource_type="Team", resource_name=new.slug, reason="TEAM_SLUG_TAKEN"
    )
    team = Team(**new.model_dump())
    session.add(team)
    with constraint("teams_slug_key", taken):
        await session.flush()
    session.team_id = team.id
    owner = session.acting_user
    if owner is None:
        session.record(team)
        return team
    session.add(TeamMember(team_id=team.id, user_id=owner.id, role="owner"))
    await session.flush()
    session.record(team, owner_id=owner.id)
    return team


async def get_team(session: Session, key: TeamKey) -> Team:
    """Return a team, deleted or not.

    Raises:
        NotFoundError: there is none.
    """
    team = await queries.get_team(session, key)
    if team is None:
        raise _not_found(key)
    await access.require_team(session, team.id, _not_found(key))
    return team


async def list_teams(session: Session, wanted: TeamFilter, page: Page) -> Found[Team]:
    """Return a page of teams."""
    return await queries.list_teams(session, wanted, page, access.visible(session, Team.id))


async def update_team(session: WriteSession, target: Target, changes: TeamChanges) -> Team:
    """Change a team.

    Raises:
        NotFoundError: there is none.
        FailedPreconditionError: it is deleted.
        AbortedError: the etag is stale.
    """
    team = await lock_live_team(session, target.id)
    check_etag(team, target.etag)
    before = state(team)
    for name, value in changes.model_dump(exclude_unset=True).items():
        setattr(team, name, value)
    await session.flush()
    session.record(team, before=before)
    return team


async def delete_team(session: WriteSession, deletion: TeamDeletion) -> Team:
    """Delete a team softly.

    Raises:
        NotFoundError: there is none.
        FailedPreconditionError: it is deleted already, or has live environments and the deletion is not forced.
        AbortedError: the etag is stale.
    """
    team = await lock_live_team(session, deletion.id)
    check_etag(team, deletion.etag)
    if not deletion.force and (live := await queries.count_live_environments(session, team.id)):
        message = f"team {team.slug!r} has {live} live environments: terminate them first, or force"
        raise FailedPreconditionError(message, subject=f"Team {team.id}", reason="TEAM_HAS_LIVE_ENVIRONMENTS")
    before = state(team)
    team = await queries.mark_deleted(session, team)
    session.record(team, before=before)
    return team


async def count_live_environments(session: Session, team: Team) -> int:
    """Count a team's live environments; exact as long as the team is locked."""
    return await queries.count_live_environments(session, team.id)


async def undelete_team(session: WriteSession, target: Target) -> Team:
    """Restore a deleted team.

    Raises:
        NotFoundError: there is none.
        FailedPreconditionError: it is not deleted.
        AbortedError: the etag is stale.
    """
    team = await _required(session, await queries.lock_team(session, target.id), target.id)
    check_etag(team, target.etag)
    if team.deleted_at is None:
        message = f"team {team.slug!r} is not deleted"
        raise FailedPreconditionError(message, subject=f"Team {team.id}", reason="TEAM_NOT_DELETED")
    before = state(team)
    team.deleted_at = None
    await session.flush()
    session.record(team, before=before)
    return team


async def lock_live_team(session: WriteSession, team_id: uuid.UUID) -> Team:
    """Return a team that is not deleted, and hold it: until the transaction ends it won't be, and no one else holds it.

    What must be exact for a team as a whole, its owners or its quotas, is decided under this lock.

    Raises:
        NotFoundError: there is no such team.
        FailedPreconditionError: it is deleted.
    """
    return _live(await _required(session, await queries.lock_team(session, team_id), team_id))


async def hold_live_team(session: WriteSession, team_id: uuid.UUID) -> Team:
    """Return a team that is not deleted, and hold it: until the transaction ends it won't be, nor changed.

    Any number of transactions may hold a team at a time; `lock_live_team` waits for them all.

    Raises:
        NotFoundError: there is no such team.
        FailedPreconditionError: it is deleted.
    """
    return _live(await _required(session, await queries.hold_team(session, team_id), team_id))


async def _required(session: Session, team: Team | None, team_id: uuid.UUID) -> Team:
    """Return a team that is there, and in which the call may go on."""
    if team is None:
        raise NotFoundError("Team", team_id)
    await access.require_team(session, team_id, NotFoundError("Team", team_id))
    return team


def _live(team: Team) -> Team:
    if team.deleted_at is not None:
        message = f"team {team.slug!r} is deleted"
        raise FailedPreconditionError(message, subject=f"Team {team.id}", reason="TEAM_DELETED")
    return team


def _not_found(key: TeamKey) -> NotFoundError:
    return NotFoundError("Team", key.id or key.slug)


async def add_member(session: WriteSession, new: NewMember) -> TeamMember:
    """Make a user a member of a team.

    Raises:
        NotFoundError: there is no such team or user.
        FailedPreconditionError: the team is deleted, or the user deactivated.
        AlreadyExistsError: the user is a member already.
        PermissionDeniedError: the role is above the acting user's.
    """
    team = await lock_live_team(session, new.team_id)
    access.require_rank(session, new.role)
    user = await users.get_active_user(session, new.user_id)
    taken = AlreadyExistsError(
        f"user {user.email!r} is a member of team {team.slug!r} already",
        resource_type="TeamMember",
        resource_name=str(user.id),
        reason="TEAM_MEMBER_EXISTS",
    )
    member = TeamMember(**new.model_dump())
    session.add(member)
    with constraint("unique_team_user", taken):
        await session.flush()
    session.record(member)
    return member


async def update_member(session: WriteSession, change: MemberChange) -> TeamMember:
    """Change the role of a member.

    Raises:
        NotFoundError: there is no such team, or the user is no member of it.
        FailedPreconditionError: the team would lose its last owner, or is deleted.
        PermissionDeniedError: the member's role, or the one it is to have, is above the acting user's.
        AbortedError: the etag is stale.
    """
    member = await _locked_member(session, change)
    access.require_rank(session, change.role)
    if change.role != "owner":
        await _refuse_last_owner(session, member)
    before = state(member)
    member.role = change.role
    await session.flush()
    session.record(member, before=before, user_id=member.user_id)
    return member


async def remove_member(session: WriteSession, target: MemberTarget) -> None:
    """End a membership.

    Raises:
        NotFoundError: there is no such team, or the user is no member of it.
        FailedPreconditionError: the team would lose its last owner, or is deleted.
        PermissionDeniedError: the member's role, or the one it is to have, is above the acting user's.
        AbortedError: the etag is stale.
    """
    member = await _locked_member(session, target)
    await _refuse_last_owner(session, member)
    before = state(member)
    await session.delete(member)
    await session.flush()
    session.record(member, before=before)


async def list_members(session: Session, wanted: MemberFilter, page: Page) -> Found[TeamMember]:
    """Return a page of a team's members.

    Raises:
        NotFoundError: there is no such team.
    """
    await access.require_team(session, wanted.team_id, NotFoundError("Team", wanted.team_id))
    found = await queries.list_members(session, wanted, page)
    if not found.rows:
        await get_team(session, TeamKey(id=wanted.team_id))
    return found


async def _locked_member(session: WriteSession, target: MemberTarget) -> TeamMember:
    """Return a member; the lock on the team holds all its members."""
    await lock_live_team(session, target.team_id)
    member = await queries.get_member(session, target.team_id, target.user_id)
    if member is None:
        raise NotFoundError("TeamMember", target.user_id)
    access.require_rank(session, cast("Role", member.role))
    check_etag(member, target.etag)
    return member


async def _refuse_last_owner(session: Session, member: TeamMember) -> None:
    if member.role == "owner" and await queries.count_owners(session, member.team_id) == 1:
        message = "the last owner of a team can't be removed or demoted: make another member owner first"
        raise FailedPreconditionError(message, subject=f"TeamMember {member.user_id}", reason="LAST_OWNER")
