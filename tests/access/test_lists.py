"""The lists that a user gets, page by page, with rows of another team between the rows of the user's team."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from stagely.v1 import team_pb2
from tests.support.access.policies import is_collection
from tests.support.lists import LISTINGS, list_request, rows_of, with_changes
from tests.support.methods import LISTS, METHOD
from tests.support.world import call_rpc, make_world

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from tests.support.access.auth_server import AuthServer
    from tests.support.world import World

ROWS = 4
PAGE_SIZES = (1, 3, 500)

every_list = pytest.mark.parametrize("name", [method.name for method in LISTS])


@pytest.fixture
async def worlds(auth_server: AuthServer) -> tuple[World, World]:
    """Two teams, each with an owner."""
    ours, theirs = [await make_world(auth_server.operator) for _ in range(2)]
    for world in (ours, theirs):
        owner = team_pb2.UpdateTeamMemberRequest(
            team_id=world.team.id, user_id=world.user.id, role=team_pb2.TEAM_ROLE_OWNER
        )
        await call_rpc(auth_server.operator, "TeamService.UpdateTeamMember", owner)
    return ours, theirs


async def add_rows(auth_server: AuthServer, name: str, worlds: tuple[World, World]) -> None:
    """Add rows to both teams in turn."""
    for _ in range(ROWS):
        for world in worlds:
            await LISTINGS[name].add(auth_server.operator, world)


async def walk(auth_server: AuthServer, name: str, request: Message, page_size: int, user_id: str | None) -> list[str]:
    """Return the ids of all rows that a user gets, in list order."""
    ids: list[str] = []
    token = ""
    while True:
        page = await auth_server.call(name, with_changes(request, page_size=page_size, page_token=token), user_id)
        assert len(rows_of(page)) <= page_size
        ids += [row.id for row in rows_of(page)]
        token = page.next_page_token
        if not token:
            return ids


def unfiltered(name: str, world: World) -> Any:
    """Return the request with the fewest filters."""
    return METHOD[name].request() if is_collection(METHOD[name]) else list_request(name, world)


@every_list
async def test_user_gets_only_rows_of_own_teams(
    auth_server: AuthServer, worlds: tuple[World, World], name: str
) -> None:
    await add_rows(auth_server, name, worlds)

    for ours in worlds:
        expected = await walk(auth_server, name, list_request(name, ours), 500, None)
        assert len(expected) >= ROWS
        for size in PAGE_SIZES:
            assert await walk(auth_server, name, unfiltered(name, ours), size, ours.user.id) == expected


@every_list
async def test_service_gets_rows_of_every_team(auth_server: AuthServer, worlds: tuple[World, World], name: str) -> None:
    await add_rows(auth_server, name, worlds)
    by_team = [await walk(auth_server, name, list_request(name, world), 500, None) for world in worlds]

    all_ids = {id_ for world in worlds for id_ in await walk(auth_server, name, unfiltered(name, world), 500, None)}

    assert all_ids >= {*by_team[0], *by_team[1]}


@pytest.mark.parametrize("name", [method.name for method in LISTS if is_collection(method)])
async def test_page_token_of_another_user_gives_no_extra_rows(
    auth_server: AuthServer, worlds: tuple[World, World], name: str
) -> None:
    await add_rows(auth_server, name, worlds)
    ours, theirs = worlds
    request = METHOD[name].request()
    token = (await auth_server.call(name, with_changes(request, page_size=1), theirs.user.id)).next_page_token

    page = await auth_server.call(name, with_changes(request, page_size=500, page_token=token), ours.user.id)

    shown = {row.id for row in rows_of(page)}
    assert shown <= set(await walk(auth_server, name, list_request(name, ours), 500, None))
