from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from stagely.v1 import environment_pb2_grpc
from tests.support.environments import make_project
from tests.support.racing import CONNECTIONS, POOL_SIZE
from tests.support.rpc import connected, running_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stagely.v1.environment_pb2_grpc import EnvironmentServiceAsyncStub
    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub


@pytest.fixture
async def project_id(teams: TeamServiceAsyncStub, database_url: str) -> str:
    """A project in a new team with a high quota."""
    return await make_project(teams, database_url)


@pytest.fixture(scope="module")
async def callers(database_url: str) -> AsyncIterator[list[EnvironmentServiceAsyncStub]]:
    """Clients of a server with long waits for a database connection, each on its own channel."""
    async with AsyncExitStack() as stack:
        limits = {"database_pool_size": POOL_SIZE, "database_pool_wait_seconds": 60}
        server = await stack.enter_async_context(running_server(database_url, **limits))
        channels = [await stack.enter_async_context(connected(server)) for _ in range(CONNECTIONS)]
        yield [environment_pb2_grpc.EnvironmentServiceStub(channel) for channel in channels]
