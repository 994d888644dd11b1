"""UserService over gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely.v1 import user_pb2, user_pb2_grpc
from stagely_rpc.fields import Target
from stagely_rpc.users import service
from stagely_rpc.users.convert import user_to_proto
from stagely_rpc.users.inputs import UserChanges, UserFilter, UserKey, UserLogin
from stagely_rpc.wire.requests import parse, parse_changes

if TYPE_CHECKING:
    from stagely_rpc.db.database import Database
    from stagely_rpc.wire.context import Context
    from stagely_rpc.wire.paging import PageTokens


class UserServicer(user_pb2_grpc.UserServiceServicer):
    """User accounts."""

    def __init__(self, db: Database, pages: PageTokens) -> None:
        self._db = db
        self._pages = pages

    async def UpsertUser(self, request: user_pb2.UpsertUserRequest, context: Context) -> user_pb2.UpsertUserResponse:
        login = parse(UserLogin, request)
        async with self._db.write() as session:
            user, created = await service.upsert_user(session, login)
            return session.answer(user_pb2.UpsertUserResponse(user=user_to_proto(user), created=created))

    async def GetUser(self, request: user_pb2.GetUserRequest, context: Context) -> user_pb2.GetUserResponse:
        key = parse(UserKey, request)
        async with self._db.read() as session:
            user = await service.get_user(session, key)
            return user_pb2.GetUserResponse(user=user_to_proto(user))

    async def ListUsers(self, request: user_pb2.ListUsersRequest, context: Context) -> user_pb2.ListUsersResponse:
        wanted, page = parse(UserFilter, request), self._pages.page(request)
        async with self._db.read() as session:
            found = await service.list_users(session, wanted, page)
            return user_pb2.ListUsersResponse(
                users=map(user_to_proto, found.rows), next_page_token=self._pages.next_page_token(request, found.last)
            )

    async def UpdateUser(self, request: user_pb2.UpdateUserRequest, context: Context) -> user_pb2.UpdateUserResponse:
        target, changes = parse(Target, request), parse_changes(UserChanges, request, user_pb2.User.DESCRIPTOR)
        async with self._db.write() as session:
            user = await service.update_user(session, target, changes)
            return session.answer(user_pb2.UpdateUserResponse(user=user_to_proto(user)))

    async def DeactivateUser(
        self, request: user_pb2.DeactivateUserRequest, context: Context
    ) -> user_pb2.DeactivateUserResponse:
        target = parse(Target, request)
        async with self._db.write() as session:
            user = await service.deactivate_user(session, target)
            return session.answer(user_pb2.DeactivateUserResponse(user=user_to_proto(user)))
