"""Decides which account a login gets, and how the login changes it. Pure functions, without a database.

A login proves control of its `github_id` and `google_id`, and of its e-mail address if the address is verified (a
"verified login"). An account with a verified address belongs to the owner of that address. The address of any other
account is only a claim, because anyone can create an account with any address (account pre-hijacking). So:

- A verified login gets the unverified account with its address.
- A verified login that gets an unverified account unlinks the ids that it does not prove.
- A verified login takes its address away from an unverified account, if its ids lead to another account.
- An unverified address never replaces a verified one.
- A login that proves nothing gets only an account that no one owns: unverified and without ids.
- Accounts are never merged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from stagely_rpc.errors import AlreadyExistsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stagely_rpc.users.inputs import UserLogin

ACCOUNT_IDS = ("github_id", "google_id")

CONFLICT_REASONS = {
    "github_id": "USER_GITHUB_ID_CONFLICT",
    "google_id": "USER_GOOGLE_ID_CONFLICT",
    "email": "USER_EMAIL_TAKEN",
}
"""The reason for refusing a login, by the field that belongs to another account. The first field decides."""


class Account(Protocol):
    """The fields of a user that the rules for logins need."""

    @property
    def email(self) -> str:
        """The address."""

    @property
    def email_verified(self) -> bool:
        """Whether the owner of the account has proved the address."""

    @property
    def github_id(self) -> str | None:
        """The linked GitHub account."""

    @property
    def google_id(self) -> str | None:
        """The linked Google account."""


AccountT = TypeVar("AccountT", bound=Account)


def find_account(candidates: Sequence[AccountT], login: UserLogin) -> tuple[AccountT | None, AccountT | None]:
    """Find the account of a login.

    Args:
        candidates: every account with the address or an id of the login.
        login: the login.

    Returns:
        The account of the login, and another account that must give up its address. Each can be None.

    Raises:
        AlreadyExistsError: the login matches several accounts, and no rule decides between them.
    """
    found = {
        name: account
        for name in CONFLICT_REASONS
        for account in candidates
        if getattr(login, name) is not None and getattr(account, name) == getattr(login, name)
    }
    account = next(iter(found.values()), None)
    others = [name for name, other in found.items() if other is not account]
    if account is None or not others:
        return account, None
    if others == ["email"] and login.email_verified and not found["email"].email_verified:
        return account, found["email"]
    if others == ["email"] and _keeps_address(account, login):
        return account, None
    raise taken(login, others)


def changes(account: Account, login: UserLogin) -> dict[str, Any]:
    """Return the new values of an account that a login gets.

    Raises:
        AlreadyExistsError: the login would take over the account, or has another GitHub or Google id than the account.
    """
    values = login.model_dump(exclude_none=True)
    if login.email_verified and not account.email_verified:
        return {**dict.fromkeys(ACCOUNT_IDS), **values}
    _refuse_takeover(account, login)
    if _keeps_address(account, login):
        values["email"] = account.email
    return {**values, "email_verified": account.email_verified}


def taken(login: UserLogin, fields: Sequence[str]) -> AlreadyExistsError:
    """Return the error for fields of a login that belong to another account."""
    named = " and ".join(f"{name} {getattr(login, name)!r}" for name in fields)
    return _conflict(login, fields, f"another account has {named}")


def _keeps_address(account: Account, login: UserLogin) -> bool:
    return account.email_verified and not login.email_verified


def _refuse_takeover(account: Account, login: UserLogin) -> None:
    given = {name: getattr(login, name) for name in ACCOUNT_IDS if getattr(login, name)}
    stored = {name: getattr(account, name) for name in ACCOUNT_IDS if getattr(account, name)}
    if others := [name for name in given if name in stored and stored[name] != given[name]]:
        raise _conflict(login, others, f"the account is linked to another {' and another '.join(others)}")
    is_proved = login.email_verified or given.keys() & stored.keys()
    has_owner = account.email_verified or stored
    if not is_proved and (has_owner or given):
        message = f"email {login.email!r} belongs to another account and is not verified: the login does not prove it"
        raise _conflict(login, ["email"], message)


def _conflict(login: UserLogin, fields: Sequence[str], message: str) -> AlreadyExistsError:
    return AlreadyExistsError(
        message,
        resource_type="User",
        resource_name=str(getattr(login, fields[0])),
        reason=CONFLICT_REASONS[fields[0]],
    )
