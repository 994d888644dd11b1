from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stagely_rpc.db.driver.pool import ConnectionPool, PoolLimits
from tests.support.plans.explaining import Explainer
from tests.support.plans.world import populated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.support.plans.world import World
    from tests.support.postgres import PostgresServer


@pytest.fixture(scope="session")
def world(postgres_server: PostgresServer) -> World:
    """A populated database that no test changes. All workers of the run share it."""
    return populated(postgres_server)


@pytest.fixture(scope="session")
async def pool(world: World) -> AsyncIterator[ConnectionPool]:
    pool = ConnectionPool(world.url, PoolLimits(size=2))
    yield pool
    await pool.close()


@pytest.fixture(scope="session")
def explainer(world: World) -> Iterator[Explainer]:
    explainer = Explainer(world.url)
    yield explainer
    explainer.close()
