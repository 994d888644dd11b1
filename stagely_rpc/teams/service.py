"""The rules of teams and their members."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from stagely_rpc import access
from stagely_rpc.access import About
from stagely_rpc.db.etag import check_etag
from stagely_rpc.db.models import Team, TeamMember
from stagely_rpc.errors import AlreadyExistsError, FailedPreconditionError, NotFoundError
from stagely_rpc.teams import queries
from stagely_rpc.teams.inputs import TeamKey
from stagely_rpc.users import service as users

if TYPE_CHECKING:
    import uuid

    from stagely_rpc.call import Role
    from stagely_rpc.db.models import User
    from stagely_rpc.db.paging import Found, Page
    from stagely_rpc.db.session import Session, WriteSession
    from stagely_rpc.db.statements import Query
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

R1 = TypeVar("R1")
R2 = TypeVar("R2")
R3 = TypeVar("R3")


async def create_team(session: WriteSession, new: NewTeam) -> Team:
    """Add a team; the acting user, if there is one, becomes its owner.

    Raises:
        AlreadyExistsError: the slug is taken, by a deleted team too.
    """
    await session.ask()
    team = session.insert(Team, new.model_dump(), {"teams_slug_key": partial(_slug_taken, new.slug)})
    session.team_id = team.id
    owner = session.acting_user
    if owner is None:
        session.record(Team, None, team)
        return team
    session.insert(TeamMember, {"team_id": team.id, "user_id": owner.id, "role": "owner"})
    session.record(Team, None, team, owner_id=owner.id)
    return team


async def get_team(session: Session, key: TeamKey) -> Team:
    """Return a team, deleted or not.

    Raises:
        NotFoundError: there is none.
    """
    by_id = key.id is not None
    team = await session.read(queries.TEAM_BY_ID if by_id else queries.TEAM_BY_SLUG, key.id if by_id else key.slug)
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
    (before,) = await _lock(session, target.id)
    check_etag(before, target.etag)
    team = session.update(Team, before, changes.model_dump(exclude_unset=True))
    session.record(Team, before, team)
    return team


async def delete_team(session: WriteSession, deletion: TeamDeletion) -> Team:
    """Delete a team softly.

    Raises:
        NotFoundError: there is none.
        FailedPreconditionError: it is deleted already, or has live environments and the deletion is not forced.
        AbortedError: the etag is stale.
    """
    before, live = await _lock(session, deletion.id, queries.count_live_environments(About(Team, deletion.id)))
    check_etag(before, deletion.etag)
    if live and not deletion.force:
        message = f"team {before.slug!r} has {live} live environments: terminate them first, or force"
        raise FailedPreconditionError(message, subject=f"Team {before.id}", reason="TEAM_HAS_LIVE_ENVIRONMENTS")
    team = session.update(Team, before, {"deleted_at": session.now})
    session.record(Team, before, team)
    return team


async def undelete_team(session: WriteSession, target: Target) -> Team:
    """Restore a deleted team.

    Raises:
        NotFoundError: there is none.
        FailedPreconditionError: it is not deleted.
        AbortedError: the etag is stale.
    """
    about = About(Team, target.id)
    before: Team
    (before,) = await _hold_any(session, about, NotFoundError("Team", target.id), (), exclusively=True)
    check_etag(before, target.etag)
    if before.deleted_at is None:
        message = f"team {before.slug!r} is not deleted"
        raise FailedPreconditionError(message, subject=f"Team {before.id}", reason="TEAM_NOT_DELETED")
    team = session.update(Team, before, {"deleted_at": None})
    session.record(Team, before, team)
    return team


@overload
async def hold(
    session: WriteSession, about: About, missing: NotFoundError, /, *, exclusively: bool = False
) -> tuple[Team]: ...
@overload
async def hold(
    session: WriteSession, about: About, missing: NotFoundError, one: Query[R1], /, *, exclusively: bool = False
) -> tuple[Team, R1]: ...
@overload
async def hold(
    session: WriteSession,
    about: About,
    missing: NotFoundError,
    one: Query[R1],
    two: Query[R2],
    /,
    *,
    exclusively: bool = False,
) -> tuple[Team, R1, R2]: ...
@overload
async def hold(
    session: WriteSession,
    about: About,
    missing: NotFoundError,
    one: Query[R1],
    two: Query[R2],
    three: Query[R3],
    /,
    *,
    exclusively: bool = False,
) -> tuple[Team, R1, R2, R3]: ...
@overload
async def hold(
    session: WriteSession, about: About, missing: NotFoundError, /, *others: Query[Any], exclusively: bool = False
) -> tuple[Any, ...]: ...
async def hold(
    session: WriteSession, about: About, missing: NotFoundError, /, *others: Query[Any], exclusively: bool = False
) -> tuple[Any, ...]:
    """Hold the team that owns what a write is about, decide about the call, and ask for more, all in one wait.

    Until the transaction ends, the team is not deleted, nor changed, nor what its members may do.

    Args:
        session: of the call.
        about: what the write is about.
        missing: raised if there is no such thing, or the acting user may not know.
        others: what else to ask for, under the hold.
        exclusively: whether no one else holds the team meanwhile. What must be exact for a team as a whole, its owners
            or its quotas, is decided so.

    Returns:
        The team, and the results of the other queries.

    Raises:
        NotFoundError: the one that is given.
        PermissionDeniedError: the acting user's role in the team does not do.
        FailedPreconditionError: the team is deleted.
    """
    held = await _hold_any(session, about, missing, others, exclusively=exclusively)
    _refuse_deleted(held[0])
    return held


def count_live_environments(about: About) -> Query[int]:
    """Return the query for a team's live environments; exact as long as the team is held exclusively."""
    return queries.count_live_environments(about)


async def _hold_any(
    session: WriteSession, about: About, missing: NotFoundError, others: tuple[Query[Any], ...], *, exclusively: bool
) -> tuple[Any, ...]:
    """Hold a team that may be deleted."""
    roles = access.role_queries(session, about)
    team, *results = await session.ask(queries.hold_team(about, exclusively=exclusively), *roles, *others)
    if team is None:
        raise missing
    access.decide(session, team.id, results[0] if roles else None, missing)
    return (team, *results[len(roles) :])


@overload
async def _lock(session: WriteSession, team_id: uuid.UUID, /) -> tuple[Team]: ...
@overload
async def _lock(session: WriteSession, team_id: uuid.UUID, one: Query[R1], /) -> tuple[Team, R1]: ...
@overload
async def _lock(
    session: WriteSession, team_id: uuid.UUID, one: Query[R1], two: Query[R2], /
) -> tuple[Team, R1, R2]: ...
async def _lock(session: WriteSession, team_id: uuid.UUID, /, *others: Query[Any]) -> tuple[Any, ...]:
    """Hold a team that is not deleted, as no one else does."""
    about = About(Team, team_id)
    held = await _hold_any(session, about, NotFoundError("Team", team_id), others, exclusively=True)
    _refuse_deleted(held[0])
    return held


def _refuse_deleted(team: Team) -> None:
    if team.deleted_at is not None:
        message = f"team {team.slug!r} is deleted"
        raise FailedPreconditionError(message, subject=f"Team {team.id}", reason="TEAM_DELETED")


def _not_found(key: TeamKey) -> NotFoundError:
    return NotFoundError("Team", key.id or key.slug)


def _slug_taken(slug: str) -> AlreadyExistsError:
    message = f"team slug {slug!r} is taken"
    return AlreadyExistsError(message, resource_type="Team", resource_name=slug, reason="TEAM_SLUG_TAKEN")


def _is_member_already(user: User, team: Team) -> AlreadyExistsError:
    return AlreadyExistsError(
        f"user {user.email!r} is a member of team {team.slug!r} already",
        resource_type="TeamMember",
        resource_name=str(user.id),
        reason="TEAM_MEMBER_EXISTS",
    )


async def add_member(session: WriteSession, new: NewMember) -> TeamMember:
    """Make a user a member of a team.

    Raises:
        NotFoundError: there is no such team or user.
        FailedPreconditionError: the team is deleted, or the user deactivated.
        AlreadyExistsError: the user is a member already.
        PermissionDeniedError: the role is above the acting user's.
    """
    team, found = await _lock(session, new.team_id, users.by_id(new.user_id))
    access.require_rank(session, new.role)
    user = users.active(found, new.user_id)
    member = session.insert(TeamMember, new.model_dump(), {"unique_team_user": partial(_is_member_already, user, team)})
    session.record(TeamMember, None, member)
    return member


async def update_member(session: WriteSession, change: MemberChange) -> TeamMember:
    """Change the role of a member.

    Raises:
        NotFoundError: there is no such team, or the user is no member of it.
        FailedPreconditionError: the team would lose its last owner, or is deleted.
        PermissionDeniedError: the member's role, or the one it is to have, is above the acting user's.
        AbortedError: the etag is stale.
    """
    before, owners = await _lock_member(session, change)
    access.require_rank(session, change.role)
    if change.role != "owner":
        _refuse_last_owner(before, owners)
    member = session.update(TeamMember, before, {"role": change.role})
    session.record(TeamMember, before, member, user_id=member.user_id)
    return member


async def remove_member(session: WriteSession, target: MemberTarget) -> None:
    """End a membership.

    Raises:
        NotFoundError: there is no such team, or the user is no member of it.
        FailedPreconditionError: the team would lose its last owner, or is deleted.
        PermissionDeniedError: the member's role, or the one it is to have, is above the acting user's.
        AbortedError: the etag is stale.
    """
    member, owners = await _lock_member(session, target)
    _refuse_last_owner(member, owners)
    session.delete(TeamMember, member)
    session.record(TeamMember, member, None)


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


async def _lock_member(session: WriteSession, target: MemberTarget) -> tuple[TeamMember, int]:
    """Return a member, and how many owners the team has; the lock on the team holds all its members."""
    _, member, owners = await _lock(
        session,
        target.team_id,
        queries.get_member(target.team_id, target.user_id),
        queries.count_owners(target.team_id),
    )
    if member is None:
        raise NotFoundError("TeamMember", target.user_id)
    access.require_rank(session, cast("Role", member.role))
    check_etag(member, target.etag)
    return member, owners


def _refuse_last_owner(member: TeamMember, owners: int) -> None:
    if member.role == "owner" and owners == 1:
        message = "the last owner of a team can't be removed or demoted: make another member owner first"
        raise FailedPreconditionError(message, subject=f"TeamMember {member.user_id}", reason="LAST_OWNER")
