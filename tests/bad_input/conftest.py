from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from tests.support.fuzz_server import FuzzServer
from tests.support.rpc import connected, running_server
from tests.support.world import make_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.postgres import PostgresServer
    from tests.support.world import World


@pytest.fixture(scope="session")
async def fuzz_server(postgres_server: PostgresServer, template_database: str) -> AsyncIterator[FuzzServer]:
    """A server with its own database, for bad requests."""
    url = postgres_server.create_database(template_database)
    async with AsyncExitStack() as undo:
        undo.callback(postgres_server.drop_database, url)
        server = await undo.enter_async_context(running_server(url, database_pool_wait_seconds=60))
        channel = await undo.enter_async_context(connected(server))
        yield FuzzServer(url, server.port, channel)


@pytest.fixture
async def world(fuzz_server: FuzzServer) -> World:
    """Resources of one team, for this test only."""
    return await make_world(fuzz_server.channel)


@pytest.fixture(scope="module")
async def module_world(fuzz_server: FuzzServer) -> World:
    """Resources of one team that the tests of a module share, for tests that don't conflict."""
    return await make_world(fuzz_server.channel)
