"""Random sequences of logins. People log in with ids of their own, and with addresses of their own or of others."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from stagely_rpc.errors import AlreadyExistsError
from stagely_rpc.users.inputs import UserLogin
from stagely_rpc.users.logins import changes, find_account

PEOPLE = ("ada", "bob", "eve")
KINDS = ("github_id", "google_id")


@dataclass(frozen=True)
class Account:
    number: int
    email: str
    email_verified: bool
    github_id: str | None
    google_id: str | None

    @property
    def ids(self) -> set[str]:
        return {value for value in (self.github_id, self.google_id) if value}


def owner_of(value: str) -> str:
    """Return the person to whom an address or an id belongs."""
    return value.partition("-")[0]


@st.composite
def logins(draw: st.DrawFn) -> tuple[str, UserLogin]:
    """A person and their login. The ids are their own. The address can be verified only if it is their own."""
    person, claimed = draw(st.sampled_from(PEOPLE)), draw(st.sampled_from(PEOPLE))
    ids = {
        kind: f"{person}-{kind}-{draw(st.integers(1, 2))}"
        for kind in draw(st.lists(st.sampled_from(KINDS), unique=True))
    }
    email = f"{claimed}-{draw(st.integers(1, 2))}@example.com"
    return person, UserLogin(email=email, name=person, email_verified=claimed == person and draw(st.booleans()), **ids)


class Store:
    """The accounts, changed as UpsertUser changes them."""

    def __init__(self) -> None:
        self.accounts: dict[int, Account] = {}

    def candidates(self, login: UserLogin) -> list[Account]:
        keys = {"email", *KINDS}
        return [
            account
            for account in self.accounts.values()
            if any(getattr(login, key) and getattr(account, key) == getattr(login, key) for key in keys)
        ]

    def log_in(self, login: UserLogin) -> Account:
        account, displaced = find_account(self.candidates(login), login)
        if account is None:
            ids = {kind: getattr(login, kind) for kind in KINDS}
            account = Account(len(self.accounts), login.email, login.email_verified, **ids)
        else:
            values = changes(account, login)
            if displaced is not None:
                placeholder = f"nobody-{displaced.number}@unclaimed.invalid"
                self.accounts[displaced.number] = replace(displaced, email=placeholder)
            del values["name"]
            account = replace(account, **values)
        self.accounts[account.number] = account
        return account


class Logins(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.store = Store()

    @rule(given=logins())
    def log_in(self, given: tuple[str, UserLogin]) -> None:
        person, login = given
        before = dict(self.store.accounts)
        candidates = self.store.candidates(login)
        try:
            account = self.store.log_in(login)
        except AlreadyExistsError:
            assert self.store.accounts == before
            self.assert_not_locked_out(person, login, candidates)
            return
        assert {owner_of(value) for value in account.ids} <= {person}, "the account has an id of another person"
        if account.email_verified:
            assert owner_of(account.email) == person, "the verified address belongs to another person"

    def assert_not_locked_out(self, person: str, login: UserLogin, candidates: list[Account]) -> None:
        """A verified login is refused only if it would be refused without the accounts of other people."""
        if login.email_verified:
            own = [
                account
                for account in candidates
                if account.email_verified or person in {owner_of(value) for value in account.ids}
            ]
            with pytest.raises(AlreadyExistsError):
                account, _ = find_account(own, login)
                changes(account or own[0], login)

    @invariant()
    def accounts_have_one_owner(self) -> None:
        for account in self.store.accounts.values():
            owners = {owner_of(value) for value in account.ids}
            assert len(owners) <= 1
            if account.email_verified:
                assert owners <= {owner_of(account.email)}

    @invariant()
    def keys_are_unique(self) -> None:
        for key in ("email", *KINDS):
            values = [value for account in self.store.accounts.values() if (value := getattr(account, key))]
            assert len(values) == len(set(values))

    @invariant()
    def owners_reach_their_addresses(self) -> None:
        for person in PEOPLE:
            for number in (1, 2):
                login = UserLogin(email=f"{person}-{number}@example.com", name=person, email_verified=True)
                account, _ = find_account(self.store.candidates(login), login)
                assert account is None or changes(account, login)["email_verified"]


Logins.TestCase.settings = settings(max_examples=300, stateful_step_count=12, deadline=None)
TestLogins = Logins.TestCase
