"""A fixture with a server that serves its metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.rpc import running_server
from tests.support.telemetry.scraping import work

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stagely_rpc.server.server import Server


@pytest.fixture(scope="package")
async def observed(database_url: str) -> AsyncIterator[Server]:
    """A server with a metrics port that has served calls of several kinds."""
    async with running_server(database_url, metrics_port=0, database_pool_size=7) as server:
        await work(server, database_url)
        yield server
