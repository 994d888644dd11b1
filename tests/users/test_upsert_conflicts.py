from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest

from tests.support.refusals import refused
from tests.support.users import fetch, login, make_user, new_account_id, new_address, upsert

if TYPE_CHECKING:
    from stagely.v1.user_pb2_grpc import UserServiceAsyncStub

ALREADY_EXISTS = grpc.StatusCode.ALREADY_EXISTS
VISIBLE_ASCII = "".join(map(chr, range(33, 127)))


class TestConflicts:
    async def test_ids_of_two_users_are_refused(self, users: UserServiceAsyncStub) -> None:
        first = await make_user(users, github_id=new_account_id())
        second = await make_user(users, google_id=new_account_id())

        with refused(ALREADY_EXISTS, reason="USER_GOOGLE_ID_CONFLICT") as refusal:
            await upsert(users, github_id=first.github_id, google_id=second.google_id)

        assert f"google_id '{second.google_id}'" in refusal.message
        assert "email" not in refusal.message
        assert [await fetch(users, first), await fetch(users, second)] == [first, second]

    @pytest.mark.parametrize("key", ["github_id", "google_id"])
    async def test_email_of_another_user_is_refused(self, users: UserServiceAsyncStub, key: str) -> None:
        first, second = await make_user(users, **{key: new_account_id()}), await make_user(users, email_verified=True)

        with refused(ALREADY_EXISTS, reason="USER_EMAIL_TAKEN") as refusal:
            await upsert(users, **{key: getattr(first, key)}, email=second.email, email_verified=True)

        assert second.email in refusal.message
        assert [await fetch(users, first), await fetch(users, second)] == [first, second]

    async def test_login_that_matches_three_users_is_refused(self, users: UserServiceAsyncStub) -> None:
        by_github = await make_user(users, github_id=new_account_id())
        by_google = await make_user(users, google_id=new_account_id())
        by_email = await make_user(users)

        with refused(ALREADY_EXISTS, reason="USER_GOOGLE_ID_CONFLICT") as refusal:
            await upsert(users, github_id=by_github.github_id, google_id=by_google.google_id, email=by_email.email)

        assert by_google.google_id in refusal.message
        assert by_email.email in refusal.message
        resource = refusal.details["ResourceInfo"]
        assert (resource.resource_type, resource.resource_name) == ("stagely.v1.User", by_google.google_id)

    @pytest.mark.parametrize(
        ("key", "reason"), [("github_id", "USER_GITHUB_ID_CONFLICT"), ("google_id", "USER_GOOGLE_ID_CONFLICT")]
    )
    async def test_other_id_for_a_user_found_by_email_is_refused(
        self, users: UserServiceAsyncStub, key: str, reason: str
    ) -> None:
        user = await make_user(users, **{key: new_account_id()}, email_verified=True)

        with refused(ALREADY_EXISTS, reason=reason):
            await upsert(users, email=user.email, email_verified=True, **{key: new_account_id()})

        assert await fetch(users, user) == user

    @pytest.mark.parametrize(
        ("key", "other", "reason"),
        [
            ("github_id", "google_id", "USER_GOOGLE_ID_CONFLICT"),
            ("google_id", "github_id", "USER_GITHUB_ID_CONFLICT"),
        ],
    )
    async def test_other_second_id_for_a_user_found_by_id_is_refused(
        self, users: UserServiceAsyncStub, key: str, other: str, reason: str
    ) -> None:
        user = await make_user(users, **{key: new_account_id(), other: new_account_id()})

        with refused(ALREADY_EXISTS, reason=reason):
            await upsert(users, email=user.email, **{key: getattr(user, key), other: new_account_id()})

        assert await fetch(users, user) == user

    async def test_login_with_two_other_ids_is_refused(self, users: UserServiceAsyncStub) -> None:
        user = await make_user(users, github_id=new_account_id(), google_id=new_account_id(), email_verified=True)

        with refused(ALREADY_EXISTS, reason="USER_GITHUB_ID_CONFLICT") as refusal:
            await upsert(users, email=user.email, github_id="1", google_id="2", email_verified=True)

        assert "github_id" in refusal.message
        assert "google_id" in refusal.message


class TestPreHijacking:
    """An attacker creates an account with the address of a victim, who then proves the address."""

    async def test_verified_login_unlinks_the_ids_of_an_unverified_account(self, users: UserServiceAsyncStub) -> None:
        squatted = await make_user(users, github_id=new_account_id())

        victim = (await upsert(users, email=squatted.email, email_verified=True)).user

        assert (victim.email_verified, victim.HasField("github_id")) == (True, False)
        attacker = await upsert(users, github_id=squatted.github_id)
        assert attacker.created
        assert await fetch(users, victim) == victim

    @pytest.mark.parametrize("key", ["github_id", "google_id"])
    async def test_verified_login_replaces_the_id_of_an_unverified_account(
        self, users: UserServiceAsyncStub, key: str
    ) -> None:
        squatted = await make_user(users, github_id=new_account_id(), google_id=new_account_id())
        own = new_account_id()

        victim = (await upsert(users, email=squatted.email, email_verified=True, **{key: own})).user

        assert {victim.github_id, victim.google_id} == {own, ""}

    async def test_verified_login_takes_its_address_from_an_unverified_account(
        self, users: UserServiceAsyncStub
    ) -> None:
        owner = await make_user(users, github_id=new_account_id())
        squatted = await make_user(users, google_id=new_account_id())

        found = (await upsert(users, github_id=owner.github_id, email=squatted.email, email_verified=True)).user

        assert (found.id, found.email, found.email_verified) == (owner.id, squatted.email, True)
        displaced = await fetch(users, squatted)
        assert displaced.email == f"{squatted.id}@unclaimed.invalid"
        assert displaced.google_id == squatted.google_id

    async def test_unverified_address_does_not_replace_a_verified_one(self, users: UserServiceAsyncStub) -> None:
        user = await make_user(users, github_id=new_account_id(), email_verified=True)

        found = (await upsert(users, github_id=user.github_id, email=new_address())).user

        assert (found.id, found.email, found.email_verified) == (user.id, user.email, True)

    @pytest.mark.parametrize("account", [{"email_verified": True}, {"github_id": "one"}], ids=["verified", "linked"])
    async def test_login_that_proves_nothing_is_refused(
        self, users: UserServiceAsyncStub, account: dict[str, Any]
    ) -> None:
        ids = {"github_id": new_account_id()} if "github_id" in account else {}
        user = await make_user(users, **account | ids)

        with refused(ALREADY_EXISTS, reason="USER_EMAIL_TAKEN"):
            await upsert(users, email=user.email)

        assert await fetch(users, user) == user


class TestLinkingByEmail:
    """An account that is found only by e-mail address is linked to an id only if the login proves the address."""

    @pytest.mark.parametrize(
        ("login_verified", "account_verified", "account_has_id", "linked"),
        [
            (True, True, True, True),
            (True, True, False, True),
            (True, False, False, True),
            (True, False, True, True),
            (False, True, True, False),
            (False, True, False, False),
            (False, False, True, False),
            (False, False, False, False),
        ],
    )
    async def test_id_is_linked_only_if_the_login_proves_ownership(
        self,
        users: UserServiceAsyncStub,
        *,
        login_verified: bool,
        account_verified: bool,
        account_has_id: bool,
        linked: bool,
    ) -> None:
        ids = {"github_id": new_account_id()} if account_has_id else {}
        user = await make_user(users, email_verified=account_verified, **ids)
        request = login(email=user.email, google_id=new_account_id(), email_verified=login_verified)

        if linked:
            found = (await users.UpsertUser(request)).user
            assert (found.id, found.google_id, found.email_verified) == (user.id, request.google_id, True)
        else:
            with refused(ALREADY_EXISTS, reason="USER_EMAIL_TAKEN") as refusal:
                await users.UpsertUser(request)
            assert "not verified" in refusal.message
            assert await fetch(users, user) == user
