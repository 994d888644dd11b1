from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from stagely.v1 import team_pb2
from stagely_rpc.client import connect, connect_sync

if TYPE_CHECKING:
    from stagely_rpc.client import Stagely, SyncStagely
    from tests.support.client.recorder import Recorder

ANSWERS = [
    team_pb2.ListTeamsResponse(teams=[team_pb2.Team(id="1"), team_pb2.Team(id="2")], next_page_token="second"),
    team_pb2.ListTeamsResponse(next_page_token="third"),
    team_pb2.ListTeamsResponse(teams=[team_pb2.Team(id="3")]),
]


@pytest.fixture
async def project_names(stagely: Stagely, slug: str) -> list[str]:
    """The slugs of five projects of a team of their own, newest first."""
    team = await stagely.teams.create(slug=slug, name="Acme")
    slugs = [f"project-{number}" for number in range(5)]
    for name in slugs:
        await stagely.projects.create(team_id=team.id, slug=name, name=name, repo_url="https://example.com/acme/web")
    return slugs[::-1]


async def test_items_come_from_all_pages(stagely: Stagely, slug: str, project_names: list[str]) -> None:
    team = await stagely.teams.get(slug=slug)
    projects = stagely.projects.list(team_id=team.id, page_size=2)

    assert [project.slug async for project in projects] == project_names
    assert [project.slug async for project in projects] == project_names
    assert [len(page.projects) async for page in projects.pages()] == [2, 2, 1]


async def test_items_come_from_all_pages_without_asyncio(
    sync_stagely: SyncStagely, slug: str, project_names: list[str]
) -> None:
    def names() -> list[list[str]]:
        team = sync_stagely.teams.get(slug=slug)
        projects = sync_stagely.projects.list(team_id=team.id, page_size=2)
        by_page = [[project.slug for project in page.projects] for page in projects.pages()]
        return [*by_page, [project.slug for project in projects], [project.slug for project in projects]]

    *pages, first, second = await asyncio.to_thread(names)

    assert pages == [project_names[:2], project_names[2:4], project_names[4:]]
    assert first == second == project_names


async def test_list_continues_where_another_stopped(stagely: Stagely, slug: str, project_names: list[str]) -> None:
    team = await stagely.teams.get(slug=slug)
    first = await anext(stagely.projects.list(team_id=team.id, page_size=2).pages())

    rest = stagely.projects.list(team_id=team.id, page_token=first.next_page_token)

    assert [project.slug async for project in rest] == project_names[2:]


async def test_page_is_requested_when_it_is_needed(recorder: Recorder) -> None:
    recorder.answers = [*ANSWERS]
    async with connect(recorder.target) as stagely:
        teams = stagely.teams.list(show_deleted=True)
        assert recorder.received == []
        asked = [(team.id, len(recorder.received)) async for team in teams]

    assert asked == [("1", 1), ("2", 1), ("3", 3)]
    assert [received.request.page_token for received in recorder.received] == ["", "second", "third"]
    assert all(received.request.show_deleted for received in recorder.received)


async def test_page_is_requested_when_it_is_needed_without_asyncio(recorder: Recorder) -> None:
    recorder.answers = [*ANSWERS]

    def ask() -> list[tuple[str, int]]:
        with connect_sync(recorder.target) as stagely:
            return [(team.id, len(recorder.received)) for team in stagely.teams.list()]

    assert await asyncio.to_thread(ask) == [("1", 1), ("2", 1), ("3", 3)]
    assert [received.request.page_token for received in recorder.received] == ["", "second", "third"]
