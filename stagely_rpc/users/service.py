"""The rules of users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely_rpc import access
from stagely_rpc.db.errors import constraint
from stagely_rpc.db.etag import check_etag
from stagely_rpc.db.session import state
from stagely_rpc.errors import AbortedError, AlreadyExistsError, FailedPreconditionError, NotFoundError
from stagely_rpc.users import queries

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Sequence

    from stagely_rpc.db.models import User
    from stagely_rpc.db.paging import Found, Page
    from stagely_rpc.db.session import Session, WriteSession
    from stagely_rpc.inputs import Target
    from stagely_rpc.users.inputs import UserChanges, UserFilter, UserKey, UserLogin

ACCOUNT_IDS = ("github_id", "google_id")

CONFLICT_REASONS = {
    "github_id": "USER_GITHUB_ID_CONFLICT",
    "google_id": "USER_GOOGLE_ID_CONFLICT",
    "email": "USER_EMAIL_TAKEN",
}
"""Why a login is refused, by the field that belongs to another account; in the order in which the fields count."""

_ATTEMPTS = 5


async def upsert_user(session: WriteSession, login: UserLogin) -> tuple[User, bool]:
    """Find the user who logged in, or make one.

    Returns:
        The user, and whether it is new.

    Raises:
        AlreadyExistsError: the login would merge two accounts, or take one over.
        FailedPreconditionError: the user is deactivated.
        AbortedError: others kept taking and leaving the ids or the e-mail of a new user.
    """
    for _ in range(_ATTEMPTS):
        candidates = await queries.lock_candidates(session, login)
        if candidates:
            return await _log_in(session, _the_one(candidates, login), login), False
        if (user := await queries.insert_user(session, login)) is not None:
            session.record(user)
            return user, True
    raise AbortedError("concurrent logins got in the way: retry")


async def get_user(session: Session, key: UserKey) -> User:
    """Return a user, active or not.

    Raises:
        NotFoundError: there is none.
    """
    user = await queries.get_user(session, key)
    if user is None:
        raise _not_found(key)
    await access.require_user(session, user.id, _not_found(key))
    return user


async def get_active_user(session: Session, user_id: uuid.UUID) -> User:
    """Return a user who is not deactivated.

    Raises:
        NotFoundError: there is none.
        FailedPreconditionError: the user is deactivated.
    """
    user = await queries.get_user_by_id(session, user_id)
    if user is None:
        raise NotFoundError("User", user_id)
    _refuse_deactivated(user)
    return user


async def list_users(session: Session, wanted: UserFilter, page: Page) -> Found[User]:
    """Return a page of users."""
    return await queries.list_users(session, wanted, page, access.visible_users(session, wanted.team_id))


async def update_user(session: WriteSession, target: Target, changes: UserChanges) -> User:
    """Change a user.

    Raises:
        NotFoundError: there is none.
        AbortedError: the etag is stale.
    """
    user = await _lock_user(session, target)
    before = state(user)
    for name, value in changes.model_dump(exclude_unset=True).items():
        setattr(user, name, value)
    await session.flush()
    session.record(user, before=before)
    return user


async def deactivate_user(session: WriteSession, target: Target) -> User:
    """Deactivate a user; one who is deactivated already stays as it is.

    Raises:
        NotFoundError: there is none.
        AbortedError: the etag is stale.
    """
    user = await _lock_user(session, target)
    before = state(user)
    user.is_active = False
    await session.flush()
    session.record(user, before=before)
    return user


async def _lock_user(session: WriteSession, target: Target) -> User:
    user = await queries.lock_user(session, target.id)
    if user is None:
        raise NotFoundError("User", target.id)
    await access.require_user(session, user.id, NotFoundError("User", target.id))
    check_etag(user, target.etag)
    return user


def _not_found(key: UserKey) -> NotFoundError:
    return NotFoundError("User", key.id or key.email or key.github_id or key.google_id)


def _refuse_deactivated(user: User) -> None:
    if not user.is_active:
        # By the id: whoever adds a member knows that, and need not know the address.
        message = f"user {user.id} is deactivated"
        raise FailedPreconditionError(message, subject=f"User {user.id}", reason="USER_DEACTIVATED")


def _the_one(candidates: Sequence[User], login: UserLogin) -> User:
    """Return the one account that a login means, if it means but one."""
    found = {name: user for name in CONFLICT_REASONS if (user := _owner(candidates, name, login)) is not None}
    account = next(iter(found.values()))
    if others := [name for name, user in found.items() if user is not account]:
        raise _taken(login, others)
    return account


def _owner(candidates: Iterable[User], name: str, login: UserLogin) -> User | None:
    value = getattr(login, name)
    return next((user for user in candidates if value is not None and getattr(user, name) == value), None)


async def _log_in(session: WriteSession, user: User, login: UserLogin) -> User:
    """Bring an account up to date with a login that means it."""
    _refuse_deactivated(user)
    _refuse_takeover(user, login)
    values = login.model_dump(exclude_none=True)
    before = state(user)
    values["email_verified"] = login.email_verified or (user.email_verified and user.email == login.email)
    # What was nobody's when the candidates were locked can be another's by now.
    with (
        constraint("users_email_key", _taken(login, ["email"])),
        constraint("users_github_id_key", _taken(login, ["github_id"])),
        constraint("users_google_id_key", _taken(login, ["google_id"])),
    ):
        user = await queries.record_login(session, user, values)
    session.record(user, before=before)
    return user


def _refuse_takeover(user: User, login: UserLogin) -> None:
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
