"""The decisions of authorization.

`admit` checks the permissions of the calling service first, before the request is parsed. The slice checks the
role of the acting user as soon as it knows which team owns the resource, before it reveals anything about the resource.
A write locks the team first and then reads the role, so the role can't change until the transaction ends.

A denial is a PermissionDeniedError. If the user may not know that the resource exists, it is the NotFoundError that the
slice passes as `not_found`, with a PermissionDeniedError as its cause.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar, cast

from sqlalchemy import true

from stagely_rpc.access import queries
from stagely_rpc.call import ROLES, TeamOwner, User, UserOwner, includes
from stagely_rpc.db.models import Project
from stagely_rpc.errors import NotFoundError, PermissionDeniedError

if TYPE_CHECKING:
    import uuid

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import InstrumentedAttribute

    from stagely_rpc.access.ownership import ResourceRef
    from stagely_rpc.call import Call, Caller, Policy, Role
    from stagely_rpc.db.database import Database
    from stagely_rpc.db.session import Session
    from stagely_rpc.db.sql.statement import Query

Result = TypeVar("Result")

IMPERSONATE = "users.impersonate"
"""The permission to act for users."""


async def admit(db: Database, call: Call, acting_user_id: uuid.UUID | None) -> Caller:
    """Check that a service may make a call and may act for the user, if any. Return the caller with the user.

    Raises:
        PermissionDeniedError: the RPC has no policy, the service lacks a permission, or the user is unknown or
            deactivated.
    """
    caller, policy = call.caller, call.policy
    if policy is None:
        raise PermissionDeniedError(f"{call.method} has no policy, so no one may call it", reason="POLICY_MISSING")
    _require_permission(caller, policy.permission)
    if acting_user_id is None:
        return caller
    _require_permission(caller, IMPERSONATE)
    if policy.acting_for == "nobody":
        message = f"{call.method} does not accept an acting user: omit x-stagely-user-id"
        raise PermissionDeniedError(message, reason="USER_NOT_ALLOWED")
    return replace(caller, user=await _active_user(db, acting_user_id))


async def require_team(session: Session, team_id: uuid.UUID, not_found: NotFoundError) -> None:
    """Check that the acting user has the policy's role in the team that owns the resource.

    Raises:
        NotFoundError: `not_found`: the acting user is not a member of the team.
        PermissionDeniedError: the user's role in the team is not sufficient.
    """
    user = session.acting_user
    found = None if user is None else await session.read(queries.ROLE, team_id, user.id)
    check_role(session, team_id, found and found.role, not_found)


async def require_project(session: Session, project_id: uuid.UUID, not_found: NotFoundError) -> None:
    """Check that the acting user has the policy's role in the team of the resource's project.

    Raises:
        NotFoundError: `not_found`: there is no such project, or the acting user is not a member of its team.
        PermissionDeniedError: the user's role in the team is not sufficient.
    """
    if session.acting_user is None and not _is_recorded(session):
        # There is nothing to check or record, so the team is not read.
        session.call.is_authorized = True
        return
    found = await session.read(queries.TEAM_OF_PROJECT, project_id)
    if found is None:
        raise not_found
    await require_team(session, found.team_id, not_found)


async def authorize_and_fetch(
    session: Session, ref: ResourceRef, not_found: NotFoundError, query: Query[Result]
) -> Result:
    """Authorize a call by its resource, and run another query in the same round trip.

    Returns:
        The result of the query.

    Raises:
        NotFoundError: `not_found`: there is no such resource, or the acting user is not a member of its team.
        PermissionDeniedError: the user's role in the team is not sufficient.
    """
    # The role is read last: the user may lose it while this call waits for the lock.
    roles = role_queries(session, ref)
    team_id, result, *role = await session.ask(queries.get_team_id(ref), query, *roles)
    if team_id is None:
        raise not_found
    check_role(session, team_id, role[0] if role else None, not_found)
    return cast("Result", result)


def role_queries(session: Session, ref: ResourceRef) -> list[Query[Role | None]]:
    """Return the query for the acting user's role in the team that owns the resource; empty without a user."""
    return [] if session.acting_user is None else [queries.get_role(ref, session.acting_user.id)]


def check_role(session: Session, team_id: uuid.UUID, role: Role | None, not_found: NotFoundError) -> None:
    """Check that the acting user's role in the team is sufficient.

    Raises:
        NotFoundError: `not_found`: the user is not a member of the team.
        PermissionDeniedError: the user's role in the team is not sufficient.
    """
    session.team_id, session.role, session.call.is_authorized = team_id, role, True
    user = session.acting_user
    if user is None:
        return
    if session.call.owners is not None:
        session.call.owners.add(TeamOwner(team_id))
    denial = role_denial(session.call.policy, user, team_id, role)
    if denial is not None and role is None:
        raise not_found from denial
    if denial is not None:
        raise denial


def role_denial(
    policy: Policy | None, user: User, team_id: uuid.UUID, role: Role | None
) -> PermissionDeniedError | None:
    """Return the denial for a user's role in a team; None if the role is sufficient."""
    if role is None:
        message = f"user {user.id} is not a member of the team"
        return PermissionDeniedError(message, reason="NOT_A_MEMBER", team_id=team_id)
    needed = _needed_role(policy)
    if needed is None or not includes(role, needed):
        message = f"user {user.id} has the role {role} in the team; {needed} is required"
        return PermissionDeniedError(message, reason="ROLE_MISSING", team_id=team_id)
    return None


async def require_user(session: Session, user_id: uuid.UUID, not_found: NotFoundError) -> None:
    """Check that the acting user may access the user that the call is about.

    Raises:
        NotFoundError: `not_found`: the acting user is another user and may not see this one.
    """
    session.call.is_authorized = True
    acting = session.acting_user
    if acting is None or acting.id == user_id:
        return
    acting_for = session.call.policy and session.call.policy.acting_for
    if acting_for == "teammate" and await session.read(queries.TEAMMATES, acting.id, user_id) is not None:
        if session.call.owners is not None:
            session.call.owners.add(UserOwner(user_id))
        return
    raise not_found from another_user_denial(acting)


def another_user_denial(user: User) -> PermissionDeniedError:
    """Return the denial for a user who may not access another user."""
    return PermissionDeniedError(f"user {user.id} is a different user", reason="ANOTHER_USER")


def require_no_user(session: Session, resource: str) -> None:
    """Check that a call has no acting user, because no team and no user owns its resource.

    Raises:
        PermissionDeniedError: the service acts for a user.
    """
    session.call.is_authorized = True
    if session.acting_user is not None:
        message = f"{resource} does not accept an acting user: omit x-stagely-user-id"
        raise PermissionDeniedError(message, reason="USER_NOT_ALLOWED")


def require_rank(session: Session, role: str) -> None:
    """Check that the acting user may grant or revoke a role.

    Raises:
        PermissionDeniedError: the role is above the acting user's own role.
    """
    if session.acting_user is not None and (session.role is None or not includes(session.role, role)):
        message = f"user {session.acting_user.id} has the role {session.role} in the team; {role} is above it"
        raise PermissionDeniedError(message, reason="ROLE_ABOVE_OWN", team_id=session.team_id)


def visible(
    session: Session, team_id: InstrumentedAttribute[uuid.UUID] | InstrumentedAttribute[uuid.UUID | None]
) -> ColumnElement[bool]:
    """Return the condition that the acting user, if any, has the policy's role in the team of a row.

    Args:
        session: the session of the call.
        team_id: the column with the id of the team that owns a row.
    """
    session.call.is_authorized = True
    if session.acting_user is None:
        return true()
    return queries.in_team_of(team_id, session.acting_user.id, _sufficient_roles(session.call.policy))


def visible_by_project(session: Session, project_id: InstrumentedAttribute[uuid.UUID]) -> ColumnElement[bool]:
    """Return the condition that the acting user, if any, has the policy's role in the team of a row's project.

    Args:
        session: the session of the call.
        project_id: the column with the id of the project of a row.
    """
    condition = visible(session, Project.team_id)
    return true() if session.acting_user is None else queries.in_project_where(project_id, condition)


def visible_users(session: Session, team_id: uuid.UUID | None) -> ColumnElement[bool]:
    """Return the condition that a row of users is the acting user, if any, or shares a team with them.

    Args:
        session: the session of the call.
        team_id: the team of the filter, if any. Only its members may list its members.
    """
    session.call.is_authorized = True
    acting = session.acting_user
    if acting is None:
        return true()
    return queries.is_self_or_teammate(acting.id) if team_id is None else queries.is_member(acting.id, team_id)


def _needed_role(policy: Policy | None) -> Role | None:
    return policy.role if policy else None


def _sufficient_roles(policy: Policy | None) -> list[Role]:
    needed = _needed_role(policy)
    return [] if needed is None else [role for role in ROLES if includes(role, needed)]


def _require_permission(caller: Caller, permission: str) -> None:
    if not caller.permissions.allow(permission):
        message = f"service {caller.service!r} lacks the permission {permission!r}"
        raise PermissionDeniedError(message, reason="PERMISSION_MISSING")


def _is_recorded(session: Session) -> bool:
    return session.call.policy is not None and session.call.policy.action is not None


async def _active_user(db: Database, user_id: uuid.UUID) -> User:
    found = await db.fetch(queries.USER, user_id)
    if found is None:
        raise PermissionDeniedError(f"there is no user {user_id} to act for", reason="ACTING_USER_UNKNOWN")
    if not found.is_active:
        raise PermissionDeniedError(f"user {user_id} is deactivated", reason="ACTING_USER_DEACTIVATED")
    return User(id=user_id, email=found.email)
