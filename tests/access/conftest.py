from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from tests.support.access.stage import Stage, make_cast
from tests.support.identity.certificates import Files
from tests.support.rpc import connected, running_server
from tests.support.tokens import AUTHENTICATION, token
from tests.support.world import make_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.postgres import PostgresServer
    from tests.support.world import World


@pytest.fixture(scope="session")
async def stage(postgres_server: PostgresServer, template_database: str) -> AsyncIterator[Stage]:
    """A server that asks who calls, over a database of its own."""
    url = postgres_server.create_database(template_database)
    async with AsyncExitStack() as undo:
        undo.callback(postgres_server.drop_database, url)
        limits = {"database_pool_wait_seconds": 60}
        server = await undo.enter_async_context(running_server(url, **AUTHENTICATION, **limits))
        operator = await undo.enter_async_context(connected(server, token=token("operator", "*")))
        channel = await undo.enter_async_context(connected(server))
        yield Stage(server, url, operator, channel, await make_cast(operator))


@pytest.fixture(scope="module")
async def world(stage: Stage) -> World:
    """Resources of one team, in which the cast has its roles."""
    world = await make_world(stage.operator)
    await stage.enlist(world.team.id)
    return world


@pytest.fixture(scope="module")
async def other_world(stage: Stage) -> World:
    """The same of another team. Its owner is no member of the first one; one of its members is."""
    world = await make_world(stage.operator)
    await stage.enlist(world.team.id, {"another team's owner": "owner", "member": "member"})
    return world


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "tls.crt", tmp_path / "tls.key", tmp_path / "ca.crt")
