from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from stagely.v1 import team_pb2, user_pb2
from tests.support.refusals import refused
from tests.support.teams import make_team
from tests.support.users import deactivate_user, get_user, login, make_user, update_user

if TYPE_CHECKING:
    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub
    from stagely.v1.user_pb2_grpc import UserServiceAsyncStub


async def make_members(
    teams: TeamServiceAsyncStub, users: UserServiceAsyncStub, count: int
) -> tuple[str, list[user_pb2.User]]:
    """Create a team and its members, oldest first."""
    team = await make_team(teams)
    members = [await make_user(users) for _ in range(count)]
    for member in members:
        await teams.AddTeamMember(team_pb2.AddTeamMemberRequest(team_id=team.id, user_id=member.id))
    return team.id, members


class TestUpdateUser:
    async def test_update_without_a_mask_changes_set_fields(self, users: UserServiceAsyncStub) -> None:
        user = await make_user(users, avatar_url="https://example.com/a.png")

        updated = await update_user(users, user, name="Łada 🚀")

        assert (updated.name, updated.avatar_url, updated.is_active) == ("Łada 🚀", user.avatar_url, True)
        assert updated.etag != user.etag
        assert updated == await get_user(users, id=user.id)

    async def test_masked_and_unset_avatar_is_cleared(self, users: UserServiceAsyncStub) -> None:
        user = await make_user(users, avatar_url="https://example.com/a.png")

        updated = await update_user(users, user, update_mask=FieldMask(paths=["avatar_url"]), name="Not named")

        assert not updated.HasField("avatar_url")
        assert updated.name == user.name

    async def test_star_mask_changes_every_field(self, users: UserServiceAsyncStub) -> None:
        user = await make_user(users)

        updated = await update_user(
            users,
            user,
            update_mask=FieldMask(paths=["*"]),
            name="Grace",
            avatar_url="http://example.com/g.png",
            is_active=False,
        )

        assert (updated.name, updated.avatar_url, updated.is_active) == ("Grace", "http://example.com/g.png", False)

    async def test_deactivated_user_can_be_reactivated(self, users: UserServiceAsyncStub) -> None:
        user = await deactivate_user(users, await make_user(users))

        assert (await update_user(users, user, is_active=True)).is_active
        assert (await users.UpsertUser(login(email=user.email))).user.is_active

    async def test_cleared_is_active_is_true(self, users: UserServiceAsyncStub) -> None:
        user = await deactivate_user(users, await make_user(users))

        assert (await update_user(users, user, update_mask=FieldMask(paths=["is_active"]))).is_active

    async def test_name_cannot_be_cleared(self, users: UserServiceAsyncStub) -> None:
        with refused(grpc.StatusCode.INVALID_ARGUMENT, field="name"):
            await update_user(users, await make_user(users), update_mask=FieldMask(paths=["name"]))

    @pytest.mark.parametrize(
        "path", ["email", "github_id", "google_id", "email_verified", "last_login_at", "id", "etag", "shoe_size", ""]
    )
    async def test_mask_with_an_immutable_or_unknown_field_is_refused(
        self, users: UserServiceAsyncStub, path: str
    ) -> None:
        user = await make_user(users)

        with refused(grpc.StatusCode.INVALID_ARGUMENT, field="update_mask"):
            await update_user(users, user, update_mask=FieldMask(paths=["name", path]), name="Other")

        assert await get_user(users, id=user.id) == user

    async def test_stale_etag_changes_nothing(self, users: UserServiceAsyncStub) -> None:
        user = await make_user(users)
        updated = await update_user(users, user, name="First", etag=user.etag)

        with refused(grpc.StatusCode.ABORTED, reason="ETAG_STALE"):
            await update_user(users, user, name="Second", etag=user.etag)

        assert await get_user(users, id=user.id) == updated

    async def test_unknown_user_is_not_found(self, users: UserServiceAsyncStub) -> None:
        with refused(grpc.StatusCode.NOT_FOUND, reason="RESOURCE_NOT_FOUND"):
            await update_user(users, user_pb2.User(id=str(uuid.uuid4())), name="Nobody")


class TestDeactivateUser:
    async def test_user_is_deactivated_and_stays_a_member(
        self, users: UserServiceAsyncStub, teams: TeamServiceAsyncStub
    ) -> None:
        team_id, (user,) = await make_members(teams, users, 1)

        deactivated = await deactivate_user(users, user, user.etag)

        assert not deactivated.is_active
        assert deactivated == await get_user(users, id=user.id)
        assert [u.id for u in (await users.ListUsers(user_pb2.ListUsersRequest(team_id=team_id))).users] == [user.id]

    async def test_second_deactivation_changes_nothing(self, users: UserServiceAsyncStub) -> None:
        deactivated = await deactivate_user(users, await make_user(users))

        assert await deactivate_user(users, deactivated, deactivated.etag) == deactivated

    async def test_deactivated_user_cannot_join_a_team(
        self, users: UserServiceAsyncStub, teams: TeamServiceAsyncStub
    ) -> None:
        team, user = await make_team(teams), await deactivate_user(users, await make_user(users))

        with refused(grpc.StatusCode.FAILED_PRECONDITION, reason="USER_DEACTIVATED"):
            await teams.AddTeamMember(team_pb2.AddTeamMemberRequest(team_id=team.id, user_id=user.id))

    async def test_stale_etag_changes_nothing(self, users: UserServiceAsyncStub) -> None:
        user = await make_user(users)
        updated = await update_user(users, user, name="Other")

        with refused(grpc.StatusCode.ABORTED, reason="ETAG_STALE"):
            await deactivate_user(users, user, user.etag)

        assert await get_user(users, id=user.id) == updated

    async def test_unknown_user_is_not_found(self, users: UserServiceAsyncStub) -> None:
        with refused(grpc.StatusCode.NOT_FOUND):
            await deactivate_user(users, user_pb2.User(id=str(uuid.uuid4())))
