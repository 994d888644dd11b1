"""The rules of teams and their members."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely_rpc.db.errors import constraint
from stagely_rpc.db.etag import check_etag
from stagely_rpc.db.models import Team, TeamMember
from stagely_rpc.errors import AlreadyExistsError, FailedPreconditionError, NotFoundError
from stagely_rpc.teams import queries
from stagely_rpc.teams.inputs import TeamKey
from stagely_rpc.users import service as users

if TYPE_CHECKING:
    import uuid

    from sqlalchemy.ext.asyncio import AsyncSession

    from stagely_rpc.db.paging import Found, Page
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


async def create_team(session: AsyncSession, new: NewTeam) -> Team:
    """Add a team.

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
    return team


async def get_team(session: AsyncSession, key: TeamKey) -> Team:
    """Return a team, deleted or not.

    Raises:
        NotFoundError: there is none.
    """
    team = await queries.get_team(session, key)
    if team is None:
        raise NotFoundError("Team", key.id or key.slug)
    return team


async def list_teams(session: AsyncSession, wanted: TeamFilter, page: Page) -> Found[Team]:
    """Return a page of teams."""
    return await queries.list_teams(session, wanted, page)


async def update_team(session: AsyncSession, target: Target, changes: TeamChanges) -> Team:
    """Change a team.

    Raises:
        NotFoundError: there is none.
        FailedPreconditionError: it is deleted.
        AbortedError: the etag is stale.
    """
    team = await lock_live_team(session, target.id)
    check_etag(team, target.etag)
    for name, value in changes.model_dump(exclude_unset=True).items():
        setattr(team, name, value)
    await session.flush()
    return team


async def delete_team(session: AsyncSession, deletion: TeamDeletion) -> Team:
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
    return await queries.mark_deleted(session, team)


async def count_live_environments(session: AsyncSession, team: Team) -> int:
    """Count a team's live environments; exact as long as the team is locked."""
    return await queries.count_live_environments(session, team.id)


async def undelete_team(session: AsyncSession, target: Target) -> Team:
    """Restore a deleted team.

    Raises:
        NotFoundError: there is none.
        FailedPreconditionError: it is not deleted.
        AbortedError: the etag is stale.
    """
    team = await _lock_team(session, target.id)
    check_etag(team, target.etag)
    if team.deleted_at is None:
        message = f"team {team.slug!r} is not deleted"
        raise FailedPreconditionError(message, subject=f"Team {team.id}", reason="TEAM_NOT_DELETED")
    team.deleted_at = None
    await session.flush()
    return team


async def lock_live_team(session: AsyncSession, team_id: uuid.UUID) -> Team:
    """Return a team that is not deleted, and hold it: until the transaction ends it won't be, and no one else holds it.

    What must be exact for a team as a whole, its owners or its quotas, is decided under this lock.

    Raises:
        NotFoundError: there is no such team.
        FailedPreconditionError: it is deleted.
    """
    return _live(await queries.lock_team(session, team_id), team_id)


async def hold_live_team(session: AsyncSession, team_id: uuid.UUID) -> Team:
    """Return a team that is not deleted, and hold it: until the transaction ends it won't be, nor changed.

    Any number of transactions may hold a team at a time; `lock_live_team` waits for them all.

    Raises:
        NotFoundError: there is no such team.
        FailedPreconditionError: it is deleted.
    """
    return _live(await queries.hold_team(session, team_id), team_id)


def _live(team: Team | None, team_id: uuid.UUID) -> Team:
    if team is None:
        raise NotFoundError("Team", team_id)
    if team.deleted_at is not None:
        message = f"team {team.slug!r} is deleted"
        raise FailedPreconditionError(message, subject=f"Team {team.id}", reason="TEAM_DELETED")
    return team


async def _lock_team(session: AsyncSession, team_id: uuid.UUID) -> Team:
    team = await queries.lock_team(session, team_id)
    if team is None:
        raise NotFoundError("Team", team_id)
    return team


async def add_member(session: AsyncSession, new: NewMember) -> TeamMember:
    """Make a user a member of a team.

    Raises:
        NotFoundError: there is no such team or user.
        FailedPreconditionError: the team is deleted, or the user deactivated.
        AlreadyExistsError: the user is a member already.
    """
    team = await lock_live_team(session, new.team_id)
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
    return member


async def update_member(session: AsyncSession, change: MemberChange) -> TeamMember:
    """Change the role of a member.

    Raises:
        NotFoundError: there is no such team, or the user is no member of it.
        FailedPreconditionError: the team would lose its last owner, or is deleted.
        AbortedError: the etag is stale.
    """
    member = await _locked_member(session, change)
    if change.role != "owner":
        await _refuse_last_owner(session, member)
    member.role = change.role
    await session.flush()
    return member


async def remove_member(session: AsyncSession, target: MemberTarget) -> None:
    """End a membership.

    Raises:
        NotFoundError: there is no such team, or the user is no member of it.
        FailedPreconditionError: the team would lose its last owner, or is deleted.
        AbortedError: the etag is stale.
    """
    member = await _locked_member(session, target)
    await _refuse_last_owner(session, member)
    await session.delete(member)
    await session.flush()


async def list_members(session: AsyncSession, wanted: MemberFilter, page: Page) -> Found[TeamMember]:
    """Return a page of a team's members.

    Raises:
        NotFoundError: there is no such team.
    """
    found = await queries.list_members(session, wanted, page)
    if not found.rows:
        await get_team(session, TeamKey(id=wanted.team_id))
    return found


async def _locked_member(session: AsyncSession, target: MemberTarget) -> TeamMember:
    """Return a member; the lock on the team holds all its members."""
    await lock_live_team(session, target.team_id)
    member = await queries.get_member(session, target.team_id, target.user_id)
    if member is None:
        raise NotFoundError("TeamMember", target.user_id)
    check_etag(member, target.etag)
    return member


async def _refuse_last_owner(session: AsyncSession, member: TeamMember) -> None:
    if member.role == "owner" and await queries.count_owners(session, member.team_id) == 1:
        message = "the last owner of a team can't be removed or demoted: make another member owner first"
        raise FailedPreconditionError(message, subject=f"TeamMember {member.user_id}", reason="LAST_OWNER")
