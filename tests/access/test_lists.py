"""What the lists show to a user, page by page, while another team has as much between its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from stagely.v1 import team_pb2
from tests.support.access.policies import is_collection
from tests.support.lists import LISTINGS, list_request, rows_of, with_changes
from tests.support.methods import LISTS, METHOD
from tests.support.world import ask, make_world

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from tests.support.access.stage import Stage
    from tests.support.world import World

ROWS = 4
PAGE_SIZES = (1, 3, 500)

every_list = pytest.mark.parametrize("name", [method.name for method in LISTS])


@pytest.fixture
async def worlds(stage: Stage) -> tuple[World, World]:
    """Two teams with an owner each."""
    ours, theirs = [await make_world(stage.operator) for _ in range(2)]
    for world in (ours, theirs):
        owner = team_pb2.UpdateTeamMemberRequest(
            team_id=world.team.id, user_id=world.user.id, role=team_pb2.TEAM_ROLE_OWNER
        )
        await ask(stage.operator, "TeamService.UpdateTeamMember", owner)
    return ours, theirs


async def fill(stage: Stage, name: str, worlds: tuple[World, World]) -> None:
    """Let each team have rows between those of the other."""
    for _ in range(ROWS):
        for world in worlds:
            await LISTINGS[name].add(stage.operator, world)


async def walk(stage: Stage, name: str, request: Message, page_size: int, user_id: str | None) -> list[str]:
    """Return the ids of all rows that a user is shown, in the order in which the pages have them."""
    ids: list[str] = []
    token = ""
    while True:
        page = await stage.ask(name, with_changes(request, page_size=page_size, page_token=token), user_id)
        assert len(rows_of(page)) <= page_size
        ids += [row.id for row in rows_of(page)]
        token = page.next_page_token
        if not token:
            return ids


def unfiltered(name: str, world: World) -> Any:
    """Return the request that asks for the most."""
    return METHOD[name].request() if is_collection(METHOD[name]) else list_request(name, world)


@every_list
async def test_a_user_is_shown_what_is_its_teams(stage: Stage, worlds: tuple[World, World], name: str) -> None:
    await fill(stage, name, worlds)

    for ours in worlds:
        expected = await walk(stage, name, list_request(name, ours), 500, None)
        assert len(expected) >= ROWS
        for size in PAGE_SIZES:
            assert await walk(stage, name, unfiltered(name, ours), size, ours.user.id) == expected


@every_list
async def test_a_service_is_shown_what_is_anyones(stage: Stage, worlds: tuple[World, World], name: str) -> None:
    await fill(stage, name, worlds)
    each = [await walk(stage, name, list_request(name, world), 500, None) for world in worlds]

    everything = {id_ for world in worlds for id_ in await walk(stage, name, unfiltered(name, world), 500, None)}

    assert everything >= {*each[0], *each[1]}


@pytest.mark.parametrize("name", [method.name for method in LISTS if is_collection(method)])
async def test_a_page_token_of_another_user_shows_no_more(stage: Stage, worlds: tuple[World, World], name: str) -> None:
    await fill(stage, name, worlds)
    ours, theirs = worlds
    request = METHOD[name].request()
    token = (await stage.ask(name, with_changes(request, page_size=1), theirs.user.id)).next_page_token

    page = await stage.ask(name, with_changes(request, page_size=500, page_token=token), ours.user.id)

    shown = {row.id for row in rows_of(page)}
    assert shown <= set(await walk(stage, name, list_request(name, ours), 500, None))
