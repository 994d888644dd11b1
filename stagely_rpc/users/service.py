"""The rules of users."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from stagely_rpc import access
from stagely_rpc.db.etag import check_etag
from stagely_rpc.db.models.rows import UserRow
from stagely_rpc.errors import AbortedError, AlreadyExistsError, FailedPreconditionError, NotFoundError
from stagely_rpc.users import queries

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Sequence

    from stagely_rpc.db.paging import Found, Page
    from stagely_rpc.db.session import Session
    from stagely_rpc.db.sql.statement import Query
    from stagely_rpc.db.write_session import WriteSession
    from stagely_rpc.fields import Target
    from stagely_rpc.users.inputs import UserChanges, UserFilter, UserKey, UserLogin

ACCOUNT_IDS = ("github_id", "google_id")

CONFLICT_REASONS = {
    "github_id": "USER_GITHUB_ID_CONFLICT",
    "google_id": "USER_GOOGLE_ID_CONFLICT",
    "email": "USER_EMAIL_TAKEN",
}
"""The reason for refusing a login, by the field that belongs to another account. The first field decides."""

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
    if candidates:
        return _log_in(session, _single_match(candidates, login), login), False
    values = {**login.model_dump(), "last_login_at": session.now}
    user = session.insert(UserRow, values, dict.fromkeys(_UNIQUE, _concurrent_login))
    session.record(None, user)
    return user, True


async def get_user(session: Session, key: UserKey) -> UserRow:
    """Return a user, active or not.

    Raises:
        NotFoundError: it does not exist.
    """
    ((name, value),) = key.model_dump(exclude_none=True).items()
    user = await session.read(queries.USER_BY[name], value)
    if user is None:
        raise _not_found(key)
    await access.require_user(session, user.id, _not_found(key))
    return user


def by_id(user_id: uuid.UUID) -> Query[UserRow | None]:
    """Return the query for a user. Pass its result to `active`."""
    return queries.get_user(user_id)


def active(user: UserRow | None, user_id: uuid.UUID) -> UserRow:
    """Return a user who exists and is active.

    Raises:
        NotFoundError: it does not exist.
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
        NotFoundError: it does not exist.
        AbortedError: the etag is stale.
    """
    before = await _lock_user(session, target)
    user = session.update(before, changes.model_dump(exclude_unset=True))
    session.record(before, user)
    return user


async def deactivate_user(session: WriteSession, target: Target) -> UserRow:
    """Deactivate a user. If the user is already deactivated, nothing changes.

    Raises:
        NotFoundError: it does not exist.
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


def _single_match(candidates: Sequence[UserRow], login: UserLogin) -> UserRow:
    """Return the only account that matches a login, if there is exactly one."""
    found = {name: user for name in CONFLICT_REASONS if (user := _owner(candidates, name, login)) is not None}
    account = next(iter(found.values()))
    if others := [name for name, user in found.items() if user is not account]:
        raise _taken(login, others)
    return account


def _owner(candidates: Iterable[UserRow], name: str, login: UserLogin) -> UserRow | None:
    value = getattr(login, name)
    return next((user for user in candidates if value is not None and getattr(user, name) == value), None)


def _log_in(session: WriteSession, before: UserRow, login: UserLogin) -> UserRow:
    """Update an account from a login."""
    _refuse_deactivated(before)
    _refuse_takeover(before, login)
    values = login.model_dump(exclude_none=True)
    values["email_verified"] = login.email_verified or (before.email_verified and before.email == login.email)
    values["last_login_at"] = session.now
    # A concurrent login may have taken an id or address after the candidates were locked.
    on_constraint = {constraint: partial(_taken, login, [name]) for constraint, name in _UNIQUE.items()}
    user = session.update(before, values, on_constraint)
    session.record(before, user)
    return user


def _concurrent_login() -> AbortedError:
    return AbortedError("a concurrent login took an id or the e-mail address: retry", may_run_again=True)


def _refuse_takeover(user: UserRow, login: UserLogin) -> None:
    """Check that a login belongs to the owner of the account.

    An e-mail address alone proves this only if both the login and the account have verified it. Otherwise an attacker
    could create an account with a victim's address, and share it after the victim's first login (account
    pre-hijacking).
    """
    given = {name: getattr(login, name) for name in ACCOUNT_IDS if getattr(login, name)}
    stored = {name: getattr(user, name) for name in ACCOUNT_IDS if getattr(user, name)}
    if others := [name for name in given if name in stored and stored[name] != given[name]]:
        raise _conflict(login, others, f"the account is linked to another {' and another '.join(others)}")
    by_email_alone = given and not given.keys() & stored.keys()
    if by_email_alone and not (login.email_verified and (user.email_verified or not stored)):
        message = f"email {login.email!r} belongs to another account and is not verified: no id can be linked"
        raise _conflict(login, ["email"], message)


def _taken(login: UserLogin, fields: Sequence[str]) -> AlreadyExistsError:
    named = " and ".join(f"{name} {getattr(login, name)!r}" for name in fields)
    return _conflict(login, fields, f"another account has {named}")


def _conflict(login: UserLogin, fields: Sequence[str], message: str) -> AlreadyExistsError:
    return AlreadyExistsError(
        message,
        resource_type="User",
        resource_name=str(getattr(login, fields[0])),
        reason=CONFLICT_REASONS[fields[0]],
    )
