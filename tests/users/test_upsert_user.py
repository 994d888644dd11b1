from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import grpc
import pytest

from stagely.v1 import user_pb2
from tests.support.refusals import refused
from tests.support.users import account_id, address, login, make_user, same_person, stored, upsert

if TYPE_CHECKING:
    from stagely.v1.user_pb2_grpc import UserServiceAsyncStub

ALREADY_EXISTS = grpc.StatusCode.ALREADY_EXISTS
VISIBLE_ASCII = "".join(map(chr, range(33, 127)))


class TestNewUser:
    async def test_defaults(self, users: UserServiceAsyncStub) -> None:
        answer = await upsert(users)

        assert answer.created
        assert uuid.UUID(answer.user.id)
        assert answer.user.is_active
        assert not answer.user.email_verified
        for unset in ("avatar_url", "github_id", "google_id"):
            assert not answer.user.HasField(unset)
        assert answer.user == await stored(users, answer.user)

    async def test_every_field_is_kept(self, users: UserServiceAsyncStub) -> None:
        request = login(
            name="Ada Łovelace 🚀",
            avatar_url="https://example.com/a.png?s=80",
            github_id=account_id(),
            google_id=account_id(),
            email_verified=True,
        )

        user = (await users.UpsertUser(request)).user

        for field, value in request.ListFields():
            assert getattr(user, field.name) == value

    async def test_times_are_those_of_the_login(self, users: UserServiceAsyncStub) -> None:
        user = await make_user(users)

        assert user.last_login_at == user.created_at
        assert abs(user.created_at.ToDatetime(UTC) - datetime.now(UTC)) < timedelta(minutes=1)

    async def test_email_is_kept_in_lower_case(self, users: UserServiceAsyncStub) -> None:
        email = address()

        assert (await make_user(users, email=email.upper())).email == email

    async def test_space_around_a_name_is_dropped(self, users: UserServiceAsyncStub) -> None:
        assert (await make_user(users, name="  Ada\u00a0")).name == "Ada"


class TestReturningUser:
    @pytest.mark.parametrize("key", ["github_id", "google_id"])
    async def test_user_found_by_id_gets_the_new_name_avatar_and_email(
        self, users: UserServiceAsyncStub, key: str
    ) -> None:
        user = await make_user(users, **{key: account_id()})
        email = address()

        found = await same_person(
            users,
            user,
            **{key: getattr(user, key)},
            email=email,
            name="Countess",
            avatar_url="https://example.com/c.png",
        )

        assert (found.email, found.name, found.avatar_url) == (email, "Countess", "https://example.com/c.png")
        assert found == await stored(users, user)

    async def test_login_is_a_change(self, users: UserServiceAsyncStub) -> None:
        user = await make_user(users)

        found = await same_person(users, user, email=user.email)

        assert found.last_login_at.ToDatetime() > user.last_login_at.ToDatetime()
        assert found.etag != user.etag
        assert found.created_at == user.created_at

    async def test_user_is_found_by_email_in_any_case(self, users: UserServiceAsyncStub) -> None:
        user = await make_user(users)

        await same_person(users, user, email=user.email.upper())

    async def test_unset_fields_stay(self, users: UserServiceAsyncStub) -> None:
        user = await make_user(
            users, avatar_url="https://example.com/a.png", github_id=account_id(), google_id=account_id()
        )

        found = await same_person(users, user, email=user.email)

        for field in ("avatar_url", "github_id", "google_id"):
            assert getattr(found, field) == getattr(user, field)

    @pytest.mark.parametrize(("key", "other"), [("github_id", "google_id"), ("google_id", "github_id")])
    async def test_missing_other_id_is_linked(self, users: UserServiceAsyncStub, key: str, other: str) -> None:
        user, linked = await make_user(users, **{key: account_id()}), account_id()

        found = await same_person(users, user, email=user.email, **{key: getattr(user, key), other: linked})

        assert getattr(found, other) == linked
        await same_person(users, user, email=user.email, **{other: linked})

    async def test_verification_of_the_same_email_never_turns_off(self, users: UserServiceAsyncStub) -> None:
        user = await make_user(users, email_verified=True)

        assert (await same_person(users, user, email=user.email, email_verified=False)).email_verified

    async def test_verification_turns_on(self, users: UserServiceAsyncStub) -> None:
        user = await make_user(users)

        assert (await same_person(users, user, email=user.email, email_verified=True)).email_verified

    @pytest.mark.parametrize("verified", [True, False])
    async def test_changed_email_takes_the_verification_of_the_login(
        self, users: UserServiceAsyncStub, *, verified: bool
    ) -> None:
        user = await make_user(users, github_id=account_id(), email_verified=not verified)

        found = await same_person(users, user, github_id=user.github_id, email=address(), email_verified=verified)

        assert found.email_verified is verified

    async def test_left_email_is_free_again(self, users: UserServiceAsyncStub) -> None:
        user = await make_user(users, github_id=account_id())
        await same_person(users, user, github_id=user.github_id, email=address())

        assert (await make_user(users, email=user.email)).id != user.id

    async def test_deactivated_user_is_refused_and_unchanged(self, users: UserServiceAsyncStub) -> None:
        user = await make_user(users, github_id=account_id())
        deactivated = (await users.DeactivateUser(user_pb2.DeactivateUserRequest(id=user.id))).user

        for request in (login(email=user.email), login(github_id=user.github_id)):
            with refused(grpc.StatusCode.FAILED_PRECONDITION, reason="USER_DEACTIVATED"):
                await users.UpsertUser(request)

        assert await stored(users, user) == deactivated
