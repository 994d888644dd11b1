from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from tests.support.access.auth_server import AuthServer, make_users
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
async def auth_server(postgres_server: PostgresServer, template_database: str) -> AsyncIterator[AuthServer]:
    """A server with authentication on and its own database."""
    url = postgres_server.create_database(template_database)
    async with AsyncExitStack() as stack:
        stack.callback(postgres_server.drop_database, url)
        limits = {"database_pool_wait_seconds": 60}
        server = await stack.enter_async_context(running_server(url, **AUTHENTICATION, **limits))
        operator = await stack.enter_async_context(connected(server, token=token("operator", "*")))
        channel = await stack.enter_async_context(connected(server))
        yield AuthServer(server, url, operator, channel, await make_users(operator))


@pytest.fixture(scope="module")
async def world(auth_server: AuthServer) -> World:
    """One team and its resources. Each user of the auth server has their role in it."""
    world = await make_world(auth_server.operator)
    await auth_server.add_members(world.team.id)
    return world


@pytest.fixture(scope="module")
async def other_world(auth_server: AuthServer) -> World:
    """Another team and its resources. Its owner is not in the first team; the user `member` is in both."""
    world = await make_world(auth_server.operator)
    await auth_server.add_members(world.team.id, {"another team's owner": "owner", "member": "member"})
    return world


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "tls.crt", tmp_path / "tls.key", tmp_path / "ca.crt")
