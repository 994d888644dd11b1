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
"""Why a login is refused, by the field that belongs to another account; in the order in which the fields count."""

_UNIQUE = {"users_email_key": "email", "users_github_id_key": "github_id", "users_google_id_key": "google_id"}
"""The constraints by which a field is one account's alone."""


async def upsert_user(session: WriteSession, login: UserLogin) -> tuple[UserRow, bool]:
    """Find the user who logged in, or make one.

    Returns:
        The user, and whether it is new.

    Raises:
        AlreadyExistsError: the login would merge two accounts, or take one over.
        FailedPreconditionError: the user is deactivated.
        AbortedError: by now another user has one of the ids or the e-mail of a new one.
    """
    (candidates,) = await session.ask(queries.lock_candidates(login))
    if candidates:
        return _log_in(session, _the_one(candidates, login), login), False
    values = {**login.model_dump(), "last_login_at": session.now}
    user = session.insert(UserRow, values, dict.fromkeys(_UNIQUE, _lost_race))
    session.record(None, user)
    return user, True


async def get_user(session: Session, key: UserKey) -> UserRow:
    """Return a user, active or not.

    Raises:
        NotFoundError: there is none.
    """
    ((name, value),) = key.model_dump(exclude_none=True).items()
    user = await session.read(queries.USER_BY[name], value)
    if user is None:
        raise _not_found(key)
    await access.require_user(session, user.id, _not_found(key))
    return user


def by_id(user_id: uuid.UUID) -> Query[UserRow | None]:
    """Return the query for a user, whom `active` looks at."""
    return queries.get_user(user_id)


def active(user: UserRow | None, user_id: uuid.UUID) -> UserRow:
    """Return a user who is there and not deactivated.

    Raises:
        NotFoundError: there is none.
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
        NotFoundError: there is none.
        AbortedError: the etag is stale.
    """
    before = await _lock_user(session, target)
    user = session.update(before, changes.model_dump(exclude_unset=True))
    session.record(before, user)
    return user


async def deactivate_user(session: WriteSession, target: Target) -> UserRow:
    """Deactivate a user; one who is deactivated already stays as it is.

    Raises:
        NotFoundError: there is none.
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
        # By the id: whoever adds a member knows that, and need not know the address.
        message = f"user {user.id} is deactivated"
        raise FailedPreconditionError(message, subject=f"User {user.id}", reason="USER_DEACTIVATED")


def _the_one(candidates: Sequence[UserRow], login: UserLogin) -> UserRow:
    """Return the one account that a login means, if it means but one."""
    found = {name: user for name in CONFLICT_REASONS if (user := _owner(candidates, name, login)) is not None}
    account = next(iter(found.values()))
    if others := [name for name, user in found.items() if user is not account]:
        raise _taken(login, others)
    return account


def _owner(candidates: Iterable[UserRow], name: str, login: UserLogin) -> UserRow | None:
    value = getattr(login, name)
    return next((user for user in candidates if value is not None and getattr(user, name) == value), None)


def _log_in(session: WriteSession, before: UserRow, login: UserLogin) -> UserRow:
    """Bring an account up to date with a login that means it."""
    _refuse_deactivated(before)
    _refuse_takeover(before, login)
    values = login.model_dump(exclude_none=True)
    values["email_verified"] = login.email_verified or (before.email_verified and before.email == login.email)
    values["last_login_at"] = session.now
    # What was nobody's when the candidates were locked can be another's by now.
    on_constraint = {constraint: partial(_taken, login, [name]) for constraint, name in _UNIQUE.items()}
    user = session.update(before, values, on_constraint)
    session.record(before, user)
    return user


def _lost_race() -> AbortedError:
    return AbortedError("concurrent logins got in the way: retry", may_run_again=True)


def _refuse_takeover(user: UserRow, login: UserLogin) -> None:
    """Check that whoever logs in is the one whose account it is.

    An e-mail address alone shows that only if it is verified, on both sides: else whoever made an account with the
    address of somebody would share it with them from their first login on (account pre-hijacking).
    """
    given = {name: getattr(login, name) for name in ACCOUNT_IDS if getattr(login, name)}
    stored = {name: getattr(user, name) for name in ACCOUNT_IDS if getattr(user, name)}
    if others := [name for name in given if name in stored and stored[name] != given[name]]:
        raise _conflict(login, others, f"the account is linked to another {' and another '.join(others)}")
    by_email_alone = given and not given.keys() & stored.keys()
    if by_email_alone and not (login.email_verified and (user.email_verified or not stored)):
        message = f"email {login.email!r} belongs to another account, and is not verified: nothing is linked to it"
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
