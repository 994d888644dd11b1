"""The decisions.

A call is admitted by what the service holds before anything else is looked at, its request included. What the user that
it acts for may do is decided by the team that owns what the call is about, as soon as the slice knows it and before it
says anything of it; a write that holds the team asks for the role after that, and it does not change until it ends.

A denial is raised as PermissionDeniedError, or, where the user may not know that there is anything, as the error that
the slice gives, caused by one.
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
    """Decide whether a service may make a call, and for a user; return it with the user.

    Raises:
        PermissionDeniedError: the RPC has no policy, the service lacks a permission, or the user is none to act for.
    """
    caller, policy = call.caller, call.policy
    if policy is None:
        raise PermissionDeniedError(f"{call.method} has no policy: nobody may call it", reason="POLICY_MISSING")
    _require_permission(caller, policy.permission)
    if acting_user_id is None:
        return caller
    _require_permission(caller, IMPERSONATE)
    if policy.acting_for == "nobody":
        message = f"{call.method} is called for no user: leave x-stagely-user-id out"
        raise PermissionDeniedError(message, reason="USER_NOT_ALLOWED")
    return replace(caller, user=await _active_user(db, acting_user_id))


async def require_team(session: Session, team_id: uuid.UUID, hidden: NotFoundError) -> None:
    """Decide whether the call may go on, given the team that owns what it is about.

    Raises:
        NotFoundError: the one that is given: the acting user is no member of the team.
        PermissionDeniedError: the user's role in the team does not do.
    """
    user = session.acting_user
    found = None if user is None else await session.read(queries.ROLE, team_id, user.id)
    decide(session, team_id, found and found.role, hidden)


async def require_project(session: Session, project_id: uuid.UUID, hidden: NotFoundError) -> None:
    """Decide whether the call may go on, given the project that what it is about belongs to.

    Raises:
        NotFoundError: the one that is given: there is no such project, or the acting user is no member of its team.
        PermissionDeniedError: the user's role in the team does not do.
    """
    if session.acting_user is None and not _is_recorded(session):
        # Nothing is to be decided or recorded: which team it is need not be asked.
        session.call.is_decided = True
        return
    found = await session.read(queries.TEAM_OF_PROJECT, project_id)
    if found is None:
        raise hidden
    await require_team(session, found.team_id, hidden)


async def authorize_and_fetch(
    session: Session, ref: ResourceRef, hidden: NotFoundError, query: Query[Result]
) -> Result:
    """Decide whether the call may go on, given what it is about, and ask for more in the same wait.

    Returns:
        The result of the query.

    Raises:
        NotFoundError: the one that is given: there is nothing, or the acting user is no member of its team.
        PermissionDeniedError: the user's role in the team does not do.
    """
    # The role at last: what is held is waited for, and who lost it meanwhile has lost it.
    roles = role_queries(session, ref)
    team_id, result, *role = await session.ask(queries.get_team_id(ref), query, *roles)
    if team_id is None:
        raise hidden
    decide(session, team_id, role[0] if role else None, hidden)
    return cast("Result", result)


def role_queries(session: Session, ref: ResourceRef) -> list[Query[Role | None]]:
    """Return the query for what the acting user is in the team that owns what a write is about; none without a user."""
    return [] if session.acting_user is None else [queries.get_role(ref, session.acting_user.id)]


def decide(session: Session, team_id: uuid.UUID, role: Role | None, hidden: NotFoundError) -> None:
    """Decide whether the call may go on, given the team and what the acting user is in it.

    Raises:
        NotFoundError: the one that is given: the user is no member of the team.
        PermissionDeniedError: the user's role in the team does not do.
    """
    session.team_id, session.role, session.call.is_decided = team_id, role, True
    user = session.acting_user
    if user is None:
        return
    if session.call.owners is not None:
        session.call.owners.add(TeamOwner(team_id))
    denial = role_denial(session.call.policy, user, team_id, role)
    if denial is not None and role is None:
        raise hidden from denial
    if denial is not None:
        raise denial


def role_denial(
    policy: Policy | None, user: User, team_id: uuid.UUID, role: Role | None
) -> PermissionDeniedError | None:
    """Return why a user's role in a team does not allow a call; None if it does."""
    if role is None:
        message = f"user {user.id} is no member of the team"
        return PermissionDeniedError(message, reason="NOT_A_MEMBER", team_id=team_id)
    needed = _needed_role(policy)
    if needed is None or not includes(role, needed):
        message = f"user {user.id} is {role} in the team, and {needed} is needed"
        return PermissionDeniedError(message, reason="ROLE_MISSING", team_id=team_id)
    return None


async def require_user(session: Session, user_id: uuid.UUID, hidden: NotFoundError) -> None:
    """Decide whether the call may go on, given the user that it is about.

    Raises:
        NotFoundError: the one that is given: the acting user is another, and none who may see this one.
    """
    session.call.is_decided = True
    acting = session.acting_user
    if acting is None or acting.id == user_id:
        return
    acting_for = session.call.policy and session.call.policy.acting_for
    if acting_for == "teammate" and await session.read(queries.TEAMMATES, acting.id, user_id) is not None:
        if session.call.owners is not None:
            session.call.owners.add(UserOwner(user_id))
        return
    raise hidden from another_user_denial(acting)


def another_user_denial(user: User) -> PermissionDeniedError:
    """Return why a user may not see another one."""
    return PermissionDeniedError(f"user {user.id} is another", reason="ANOTHER_USER")


def require_no_user(session: Session, resource: str) -> None:
    """Decide whether the call may go on, given a resource that no team and no user owns.

    Raises:
        PermissionDeniedError: the call is made for a user.
    """
    session.call.is_decided = True
    if session.acting_user is not None:
        message = f"{resource} is for no user: leave x-stagely-user-id out"
        raise PermissionDeniedError(message, reason="USER_NOT_ALLOWED")


def require_rank(session: Session, role: str) -> None:
    """Decide whether the acting user may give or take a role: none above its own.

    Raises:
        PermissionDeniedError: it is above its own.
    """
    if session.acting_user is not None and (session.role is None or not includes(session.role, role)):
        message = f"user {session.acting_user.id} is {session.role} in the team, and {role} is above that"
        raise PermissionDeniedError(message, reason="ROLE_ABOVE_OWN", team_id=session.team_id)


def visible(
    session: Session, team_id: InstrumentedAttribute[uuid.UUID] | InstrumentedAttribute[uuid.UUID | None]
) -> ColumnElement[bool]:
    """Return the condition by which rows are listed: that the acting user, if any, has the policy's role in their team.

    Args:
        session: of the call.
        team_id: the column that names the team which owns a row.
    """
    session.call.is_decided = True
    if session.acting_user is None:
        return true()
    return queries.in_team_of(team_id, session.acting_user.id, _sufficient_roles(session.call.policy))


def visible_by_project(session: Session, project_id: InstrumentedAttribute[uuid.UUID]) -> ColumnElement[bool]:
    """Return the same condition for rows that name a project and not its team.

    Args:
        session: of the call.
        project_id: the column that names the project which a row belongs to.
    """
    condition = visible(session, Project.team_id)
    return true() if session.acting_user is None else queries.in_project_where(project_id, condition)


def visible_users(session: Session, team_id: uuid.UUID | None) -> ColumnElement[bool]:
    """Return the condition by which users are listed: that the acting user, if any, is one or in a team with them.

    Args:
        session: of the call.
        team_id: the team whose members alone are asked for: who else is in it is told to its members only.
    """
    session.call.is_decided = True
    acting = session.acting_user
    if acting is None:
        return true()
    return queries.is_acquainted(acting.id) if team_id is None else queries.is_member(acting.id, team_id)


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
