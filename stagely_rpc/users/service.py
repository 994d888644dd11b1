"""The rules of users."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from stagely_rpc import access
from stagely_rpc.db.etag import check_etag
from stagely_rpc.db.models.rows import UserRow
from stagely_rpc.errors import AbortedError, FailedPreconditionError, NotFoundError
from stagely_rpc.users import logins, queries

if TYPE_CHECKING:
    import uuid

    from stagely_rpc.db.paging import Found, Page
    from stagely_rpc.db.session import Session
    from stagely_rpc.db.sql.statement import Query
    from stagely_rpc.db.write_session import WriteSession
    from stagely_rpc.fields import Target
    from stagely_rpc.users.inputs import UserChanges, UserFilter, UserKey, UserLogin

_UNIQUE = {"users_email_key": "email", "users_github_id_key": "github_id", "users_google_id_key": "google_id"}
"""The unique constraints of the fields."""


async def upsert_user(session: WriteSession, login: UserLogin) -> tuple[UserRow, bool]:
    """Find the user who logged in, or create one.

    Returns:
        The user, and whether it is new.

    Raises:
        AlreadyExistsError: the login would merge two accounts, or take over an account.
        FailedPreconditionError: the user is deactivated.
        AbortedError: a concurrent login took one of the ids or the e-mail address.
    """
    (candidates,) = await session.ask(queries.lock_candidates(login))
    account, displaced = logins.find_account(candidates, login)
    if account is not None:
        return _log_in(session, account, displaced, login), False
    values = {**login.model_dump(), "last_login_at": session.now}
    user = session.insert(UserRow, values, dict.fromkeys(_UNIQUE, _concurrent_login))
    session.record(None, user)
    return user, True


async def get_user(session: Session, key: UserKey) -> UserRow:
    """Return a user, active or not.

    Raises:
        NotFoundError: there is no such user.
    """
    ((name, value),) = key.model_dump(exclude_none=True).items()
    user = await session.read(queries.USER_BY[name], value)
    if user is None:
        raise _not_found(key)
    await access.require_user(session, user.id, _not_found(key))
    return user


def by_id(user_id: uuid.UUID) -> Query[UserRow | None]:
    """Return the query for a user. Pass its result to `require_active`."""
    return queries.get_user(user_id)


def require_active(user: UserRow | None, user_id: uuid.UUID) -> UserRow:
    """Return a user who exists and is active.

    Raises:
        NotFoundError: there is no such user.
        FailedPreconditionError: the user is deactivated.
    """
    if user is None:
        raise NotFoundError("User", user_id)
    _refuse_deactivated(user)
    return user


async def list_users(session: Session, wanted: UserFilter, page: Page) -> Found[UserRow]:
    """Return a page of users."""
    return await queries.list_users(session, wanted, page, access.visible_users(session, wanted.team_id))


async def update_user(session: WriteSession, target: Target, changes: UserChanges) -> UserRow:
    """Change a user.

    Raises:
        NotFoundError: there is no such user.
        AbortedError: the etag is stale.
    """
    before = await _lock_user(session, target)
    user = session.update(before, changes.model_dump(exclude_unset=True))
    session.record(before, user)
    return user


async def deactivate_user(session: WriteSession, target: Target) -> UserRow:
    """Deactivate a user. If the user is already deactivated, nothing changes.

    Raises:
        NotFoundError: there is no such user.
        AbortedError: the etag is stale.
    """
    before = await _lock_user(session, target)
    user = session.update(before, {"is_active": False})
    session.record(before, user)
    return user


async def _lock_user(session: WriteSession, target: Target) -> UserRow:
    (user,) = await session.ask(queries.lock_user(target.id))
    if user is None:
        raise NotFoundError("User", target.id)
    await access.require_user(session, user.id, NotFoundError("User", target.id))
    check_etag(user, target.etag)
    return user


def _not_found(key: UserKey) -> NotFoundError:
    return NotFoundError("User", key.id or key.email or key.github_id or key.google_id)


def _refuse_deactivated(user: UserRow) -> None:
    if not user.is_active:
        # The message names the id, because the caller may not know the e-mail address.
        message = f"user {user.id} is deactivated"
        raise FailedPreconditionError(message, subject=f"User {user.id}", reason="USER_DEACTIVATED")


def _log_in(session: WriteSession, before: UserRow, displaced: UserRow | None, login: UserLogin) -> UserRow:
    """Update an account from a login."""
    _refuse_deactivated(before)
    values = {**logins.changes(before, login), "last_login_at": session.now}
    if displaced is not None:
        _take_address(session, displaced)
    # A concurrent login may have taken an id or address after the candidates were locked.
    on_constraint = {constraint: partial(logins.taken, login, [name]) for constraint, name in _UNIQUE.items()}
    user = session.update(before, values, on_constraint)
    session.record(before, user)
    return user


def _take_address(session: WriteSession, before: UserRow) -> None:
    """Replace the address of an account with a placeholder in a domain that never exists (RFC 2606)."""
    user = session.update(before, {"email": f"{before.id}@unclaimed.invalid"})
    session.record(before, user)


def _concurrent_login() -> AbortedError:
    return AbortedError("a concurrent login took an id or the e-mail address: retry", may_run_again=True)
