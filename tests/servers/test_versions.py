"""Every supported PostgreSQL: the schema up and down, and every RPC."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from stagely_rpc.db import migrations
from tests.migrations.catalog import tables_of, triggers_of
from tests.rpc import connected, running_server
from tests.servers import installed
from tests.servers.postgresql import running
from tests.servers.tour import tour

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.postgresql import PostgreSQL


@pytest.fixture(scope="module", params=installed.POSTGRESQL)
def server(request: pytest.FixtureRequest) -> Iterator[PostgreSQL]:
    """One of each version."""
    with running(installed.postgresql(request.param)) as server:
        yield server


def test_schema_goes_up_down_and_up_again(server: PostgreSQL) -> None:
    url = server.create_database("migrated")
    migrations.upgrade(url)
    migrations.check(url)
    with psycopg.connect(url, autocommit=True) as connection:
        made = tables_of(connection) | triggers_of(connection)
        migrations.downgrade(url, "base")
        assert tables_of(connection) | triggers_of(connection) == {}
        migrations.upgrade(url)

        assert tables_of(connection) | triggers_of(connection) == made


@pytest.mark.parametrize("prepared_statements", [True, False], ids=["prepared", "unprepared"])
async def test_every_rpc_is_answered(server: PostgreSQL, prepared_statements: object) -> None:
    migrations.upgrade(server.url())

    settings = {"database_prepared_statements": prepared_statements}
    async with running_server(server.url(), **settings) as service, connected(service) as channel:
        await tour(channel)
