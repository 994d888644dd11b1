from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from stagely.v1 import user_pb2

if TYPE_CHECKING:
    from stagely.v1.user_pb2_grpc import UserServiceAsyncStub


def login(**overrides: Any) -> user_pb2.UpsertUserRequest:
    """Return the login of a new user with a unique e-mail address."""
    given = {"email": f"ada-{uuid.uuid4().hex[:12]}@example.com", "name": "Ada"} | overrides
    return user_pb2.UpsertUserRequest(**given)


async def make_user(users: UserServiceAsyncStub, **overrides: Any) -> user_pb2.User:
    """Create a user by a first login."""
    answer = await users.UpsertUser(login(**overrides))
    assert answer.created
    return answer.user


def new_account_id() -> str:
    """Return an unused id of a GitHub or Google account."""
    return uuid.uuid4().hex


async def upsert(users: UserServiceAsyncStub, **given: Any) -> user_pb2.UpsertUserResponse:
    return await users.UpsertUser(login(**given))


async def log_in_again(users: UserServiceAsyncStub, user: user_pb2.User, **given: Any) -> user_pb2.User:
    """Log in as an existing user. Return the user."""
    answer = await users.UpsertUser(login(**given))
    assert not answer.created
    assert answer.user.id == user.id
    return answer.user


async def fetch(users: UserServiceAsyncStub, user: user_pb2.User) -> user_pb2.User:
    return (await users.GetUser(user_pb2.GetUserRequest(id=user.id))).user


def new_address() -> str:
    return login().email


async def get_user(users: UserServiceAsyncStub, **key: str) -> user_pb2.User:
    return (await users.GetUser(user_pb2.GetUserRequest(**key))).user


async def update_user(users: UserServiceAsyncStub, user: user_pb2.User, **given: Any) -> user_pb2.User:
    return (await users.UpdateUser(user_pb2.UpdateUserRequest(id=user.id, **given))).user


async def deactivate_user(users: UserServiceAsyncStub, user: user_pb2.User, etag: str = "") -> user_pb2.User:
    return (await users.DeactivateUser(user_pb2.DeactivateUserRequest(id=user.id, etag=etag))).user
