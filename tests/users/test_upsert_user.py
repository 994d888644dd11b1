from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import grpc
import pytest

from stagely.v1 import user_pb2
from tests.support.refusals import refused
from tests.support.users import fetch, log_in_again, login, make_user, new_account_id, new_address, upsert

if TYPE_CHECKING:
    from stagely.v1.user_pb2_grpc import UserServiceAsyncStub

ALREADY_EXISTS = grpc.StatusCode.ALREADY_EXISTS
VISIBLE_ASCII = "".join(map(chr, range(33, 127)))


class TestNewUser:
    async def test_new_user_has_the_defaults(self, users: UserServiceAsyncStub) -> None:
        answer = await upsert(users)

        assert answer.created
        assert uuid.UUID(answer.user.id)
        assert answer.user.is_active
        assert not answer.user.email_verified
        for unset in ("avatar_url", "github_id", "google_id"):
            assert not answer.user.HasField(unset)
        assert answer.user == await fetch(users, answer.user)

    async def test_every_field_is_stored(self, users: UserServiceAsyncStub) -> None:
        request = login(
            name="Ada Łovelace 🚀",
            avatar_url="https://example.com/a.png?s=80",
            github_id=new_account_id(),
            google_id=new_account_id(),
            email_verified=True,
        )

        user = (await users.UpsertUser(request)).user

        for field, value in request.ListFields():
            assert getattr(user, field.name) == value

    async def test_timestamps_are_the_login_time(self, users: UserServiceAsyncStub) -> None:
        user = await make_user(users)

        assert user.last_login_at == user.created_at
        assert abs(user.created_at.ToDatetime(UTC) - datetime.now(UTC)) < timedelta(minutes=1)

    async def test_email_is_stored_in_lower_case(self, users: UserServiceAsyncStub) -> None:
        email = new_address()

        assert (await make_user(users, email=email.upper())).email == email

    async def test_whitespace_around_a_name_is_stripped(self, users: UserServiceAsyncStub) -> None:
        assert (await make_user(users, name="  Ada\u00a0")).name == "Ada"


class TestReturningUser:
    @pytest.mark.parametrize("key", ["github_id", "google_id"])
    async def test_user_found_by_id_gets_the_new_name_avatar_and_email(
        self, users: UserServiceAsyncStub, key: str
    ) -> None:
        user = await make_user(users, **{key: new_account_id()})
        email = new_address()

        found = await log_in_again(
            users,
            user,
            **{key: getattr(user, key)},
            email=email,
            name="Countess",
            avatar_url="https://example.com/c.png",
        )

        assert (found.email, found.name, found.avatar_url) == (email, "Countess", "https://example.com/c.png")
        assert found == await fetch(users, user)

    async def test_login_changes_the_etag_and_the_login_time(self, users: UserServiceAsyncStub) -> None:
        user = await make_user(users)

        found = await log_in_again(users, user, email=user.email)

        assert found.last_login_at.ToDatetime() > user.last_login_at.ToDatetime()
        assert found.etag != user.etag
        assert found.created_at == user.created_at

    async def test_email_lookup_is_case_insensitive(self, users: UserServiceAsyncStub) -> None:
        user = await make_user(users)

        await log_in_again(users, user, email=user.email.upper())

    async def test_unset_fields_keep_their_values(self, users: UserServiceAsyncStub) -> None:
        user = await make_user(
            users, avatar_url="https://example.com/a.png", github_id=new_account_id(), google_id=new_account_id()
        )

        found = await log_in_again(users, user, email=user.email, github_id=user.github_id)

        for field in ("avatar_url", "github_id", "google_id"):
            assert getattr(found, field) == getattr(user, field)

    @pytest.mark.parametrize(("key", "other"), [("github_id", "google_id"), ("google_id", "github_id")])
    async def test_missing_second_id_is_linked(self, users: UserServiceAsyncStub, key: str, other: str) -> None:
        user, linked = await make_user(users, **{key: new_account_id()}), new_account_id()

        found = await log_in_again(users, user, email=user.email, **{key: getattr(user, key), other: linked})

        assert getattr(found, other) == linked
        await log_in_again(users, user, email=user.email, **{other: linked})

    async def test_verification_of_the_same_email_is_never_revoked(self, users: UserServiceAsyncStub) -> None:
        user = await make_user(users, email_verified=True, github_id=new_account_id())

        found = await log_in_again(users, user, email=user.email, github_id=user.github_id, email_verified=False)

        assert found.email_verified

    async def test_login_verifies_the_email(self, users: UserServiceAsyncStub) -> None:
        user = await make_user(users)

        assert (await log_in_again(users, user, email=user.email, email_verified=True)).email_verified

    @pytest.mark.parametrize(("before", "verified"), [(True, True), (False, True), (False, False)])
    async def test_changed_email_gets_the_verification_of_the_login(
        self, users: UserServiceAsyncStub, *, before: bool, verified: bool
    ) -> None:
        user = await make_user(users, github_id=new_account_id(), email_verified=before)

        found = await log_in_again(users, user, github_id=user.github_id, email=new_address(), email_verified=verified)

        assert found.email_verified is verified

    async def test_former_email_can_be_used_by_another_user(self, users: UserServiceAsyncStub) -> None:
        user = await make_user(users, github_id=new_account_id())
        await log_in_again(users, user, github_id=user.github_id, email=new_address())

        assert (await make_user(users, email=user.email)).id != user.id

    async def test_deactivated_user_is_refused_and_unchanged(self, users: UserServiceAsyncStub) -> None:
        user = await make_user(users, github_id=new_account_id())
        deactivated = (await users.DeactivateUser(user_pb2.DeactivateUserRequest(id=user.id))).user

        for request in (login(email=user.email), login(github_id=user.github_id)):
            with refused(grpc.StatusCode.FAILED_PRECONDITION, reason="USER_DEACTIVATED"):
                await users.UpsertUser(request)

        assert await fetch(users, user) == deactivated
