from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from tests.support.lists import LISTINGS, list_request, walk
from tests.support.methods import LISTS

if TYPE_CHECKING:
    from tests.support.fuzz_server import FuzzServer
    from tests.support.lists import Listing
    from tests.support.world import World

ROWS = 8

every_list = pytest.mark.parametrize("name", [method.name for method in LISTS])
PAGE_SIZES = (1, 2, 3, 7)


async def fill(fuzz_server: FuzzServer, world: World, name: str) -> list[Any]:
    """Add rows to list, and return all rows in one page."""
    for _ in range(ROWS):
        await LISTINGS[name].add(fuzz_server.channel, world)
    rows = await walk(fuzz_server.channel, name, list_request(name, world), 500)
    assert len(rows) >= ROWS
    return rows


@every_list
async def test_each_row_is_listed_once_and_newest_first(fuzz_server: FuzzServer, world: World, name: str) -> None:
    rows = await fill(fuzz_server, world, name)

    walks = [await walk(fuzz_server.channel, name, list_request(name, world), size) for size in PAGE_SIZES]

    newest_first = sorted(map(LISTINGS[name].sort_key, rows), reverse=True)
    assert [list(map(LISTINGS[name].sort_key, walked)) for walked in walks] == [newest_first] * len(PAGE_SIZES)


@every_list
async def test_rows_with_the_same_time_are_listed_once_each(fuzz_server: FuzzServer, world: World, name: str) -> None:
    rows = await fill(fuzz_server, world, name)
    await make_contemporary(fuzz_server, LISTINGS[name], [row.id for row in rows])

    walks = [await walk(fuzz_server.channel, name, list_request(name, world), size) for size in PAGE_SIZES]

    expected = sorted((row.id for row in rows), reverse=True)
    assert [[row.id for row in walked] for walked in walks] == [expected] * len(PAGE_SIZES)


async def make_contemporary(fuzz_server: FuzzServer, listing: Listing, ids: list[str]) -> None:
    """Give all rows the same time, as if one transaction had inserted them.

    Triggers are turned off, because a trigger refuses updates of the audit log.
    """
    names = sql.Identifier(listing.table), sql.Identifier(listing.created)
    statement = sql.SQL("UPDATE {} SET {} = now() WHERE id = ANY(%s::uuid[])").format(*names)
    async with await psycopg.AsyncConnection.connect(fuzz_server.database_url) as connection:
        await connection.execute("SET LOCAL session_replication_role = replica")
        changed = await connection.execute(statement, [ids])
        assert changed.rowcount == len(ids)


@every_list
async def test_rows_added_while_listing_cause_no_gaps_or_duplicates(
    fuzz_server: FuzzServer, world: World, name: str
) -> None:
    await fill(fuzz_server, world, name)

    for size in PAGE_SIZES:
        await expect_undisturbed_walk(fuzz_server, world, name, size)


async def expect_undisturbed_walk(fuzz_server: FuzzServer, world: World, name: str, page_size: int) -> None:
    request = list_request(name, world)
    before = {row.id for row in await walk(fuzz_server.channel, name, request, 500)}

    walked = await walk(
        fuzz_server.channel, name, request, page_size, lambda: LISTINGS[name].add(fuzz_server.channel, world)
    )

    ids = [row.id for row in walked]
    assert len(ids) == len(set(ids))
    assert before <= set(ids)
    assert walked == sorted(walked, key=LISTINGS[name].sort_key, reverse=True)
