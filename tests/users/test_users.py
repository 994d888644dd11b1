from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from stagely.v1 import team_pb2, user_pb2
from tests.support.refusals import refused
from tests.support.statements import statements
from tests.support.teams import make_team
from tests.support.users import deactivate_user, get_user, make_user, new_account_id

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


class TestGetUser:
    async def test_each_key_finds_the_user(self, users: UserServiceAsyncStub) -> None:
        user = await make_user(users, github_id=new_account_id(), google_id=new_account_id())

        for key in ("id", "email", "github_id", "google_id"):
            assert await get_user(users, **{key: getattr(user, key)}) == user

    async def test_get_takes_one_statement(self, users: UserServiceAsyncStub, monkeypatch: pytest.MonkeyPatch) -> None:
        user = await make_user(users, github_id=new_account_id(), google_id=new_account_id())

        with statements(monkeypatch) as executed:
            for key in ("id", "email", "github_id", "google_id"):
                await get_user(users, **{key: getattr(user, key)})

        assert len(executed) == 4

    async def test_email_lookup_is_case_insensitive(self, users: UserServiceAsyncStub) -> None:
        user = await make_user(users)

        assert await get_user(users, email=user.email.upper()) == user

    async def test_deactivated_user_is_returned(self, users: UserServiceAsyncStub) -> None:
        user = await deactivate_user(users, await make_user(users))

        assert await get_user(users, id=user.id) == user

    @pytest.mark.parametrize(
        "key",
        [
            {"id": str(uuid.uuid4())},
            {"email": "nobody@example.com"},
            {"github_id": "nobody"},
            {"google_id": "nobody"},
        ],
    )
    async def test_unknown_key_is_not_found(self, users: UserServiceAsyncStub, key: dict[str, str]) -> None:
        with refused(grpc.StatusCode.NOT_FOUND, reason="RESOURCE_NOT_FOUND") as refusal:
            await get_user(users, **key)

        assert next(iter(key.values())) in refusal.message

    async def test_github_id_does_not_match_a_google_id(self, users: UserServiceAsyncStub) -> None:
        user = await make_user(users, github_id=new_account_id())

        with refused(grpc.StatusCode.NOT_FOUND):
            await get_user(users, google_id=user.github_id)

    async def test_key_is_required(self, users: UserServiceAsyncStub) -> None:
        with refused(grpc.StatusCode.INVALID_ARGUMENT, field="key"):
            await get_user(users)

    @pytest.mark.parametrize(
        ("field", "value"), [("id", "42"), ("email", "ada"), ("github_id", ""), ("google_id", "a b")]
    )
    async def test_malformed_key_is_refused(self, users: UserServiceAsyncStub, field: str, value: str) -> None:
        with refused(grpc.StatusCode.INVALID_ARGUMENT, field=field):
            await get_user(users, **{field: value})


class TestListUsers:
    async def list_members(self, users: UserServiceAsyncStub, team_id: str, **given: Any) -> user_pb2.ListUsersResponse:
        return await users.ListUsers(user_pb2.ListUsersRequest(team_id=team_id, **given))

    async def test_members_of_a_team_are_listed_newest_first(
        self, users: UserServiceAsyncStub, teams: TeamServiceAsyncStub
    ) -> None:
        await make_user(users)
        team_id, members = await make_members(teams, users, 3)

        found = await self.list_members(users, team_id)

        assert list(found.users) == members[::-1]
        assert not found.next_page_token

    async def test_newest_user_comes_first(self, users: UserServiceAsyncStub) -> None:
        await make_user(users)
        newest = await make_user(users)

        found = await users.ListUsers(user_pb2.ListUsersRequest(page_size=1))

        assert list(found.users) == [newest]

    async def test_users_are_filtered_by_is_active(
        self, users: UserServiceAsyncStub, teams: TeamServiceAsyncStub
    ) -> None:
        team_id, (first, second) = await make_members(teams, users, 2)
        first = await deactivate_user(users, first)

        assert list((await self.list_members(users, team_id, is_active=True)).users) == [second]
        assert list((await self.list_members(users, team_id, is_active=False)).users) == [first]
        assert len((await self.list_members(users, team_id)).users) == 2

    async def test_pages_contain_every_user_once(
        self, users: UserServiceAsyncStub, teams: TeamServiceAsyncStub
    ) -> None:
        team_id, members = await make_members(teams, users, 5)
        pages: list[list[str]] = []
        token = ""

        while not pages or token:
            page = await self.list_members(users, team_id, page_size=2, page_token=token)
            pages.append([user.id for user in page.users])
            token = page.next_page_token

        assert [len(page) for page in pages] == [2, 2, 1]
        assert [user_id for page in pages for user_id in page] == [user.id for user in reversed(members)]

    async def test_page_token_with_other_filters_is_refused(
        self, users: UserServiceAsyncStub, teams: TeamServiceAsyncStub
    ) -> None:
        team_id, _ = await make_members(teams, users, 2)
        token = (await self.list_members(users, team_id, page_size=1)).next_page_token

        for other in ({"is_active": True}, {"is_active": False}):
            with refused(grpc.StatusCode.INVALID_ARGUMENT, reason="PAGE_TOKEN_INVALID", field="page_token"):
                await self.list_members(users, team_id, page_token=token, **other)
        with refused(grpc.StatusCode.INVALID_ARGUMENT, reason="PAGE_TOKEN_INVALID"):
            await users.ListUsers(user_pb2.ListUsersRequest(page_token=token))

    async def test_negative_page_size_is_refused(self, users: UserServiceAsyncStub) -> None:
        with refused(grpc.StatusCode.INVALID_ARGUMENT, field="page_size"):
            await users.ListUsers(user_pb2.ListUsersRequest(page_size=-1))

    async def test_team_without_members_has_an_empty_list(self, users: UserServiceAsyncStub) -> None:
        assert not (await self.list_members(users, str(uuid.uuid4()))).users
