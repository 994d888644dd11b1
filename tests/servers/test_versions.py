"""Every supported PostgreSQL version: migrations up and down, and every RPC. Also one unsupported version."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import psycopg
import pytest

from stagely_rpc.db.schema import migrations
from tests.support.processes.service import run, settings_for
from tests.support.rpc import connected, running_server
from tests.support.schema.catalog import tables_of, triggers_of
from tests.support.servers import installed
from tests.support.servers.postgresql import running
from tests.support.servers.refusal import refusal
from tests.support.servers.tour import tour

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.servers.postgresql import PostgreSQL


@pytest.fixture(scope="module", params=installed.POSTGRESQL)
def server(request: pytest.FixtureRequest) -> Iterator[PostgreSQL]:
    """A server of each supported version."""
    with running(installed.postgresql(request.param)) as server:
        yield server


def test_schema_migrates_up_down_and_up_again(server: PostgreSQL) -> None:
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
async def test_every_rpc_works(server: PostgreSQL, prepared_statements: object) -> None:
    migrations.upgrade(server.url())

    settings = {"database_prepared_statements": prepared_statements}
    async with running_server(server.url(), **settings) as service, connected(service) as channel:
        await tour(channel)


def test_unsupported_postgresql_version_fails_doctor_and_prevents_serving_and_migrating() -> None:
    with running(installed.postgresql(installed.TOO_OLD)) as old:
        ended = run("doctor", "--json", env=settings_for(old.url()))
        line = refusal(old.url())

    [found] = [each for each in json.loads(ended.stdout) if each["check"] == "database"]
    version = re.match(rf"PostgreSQL {installed.TOO_OLD}\.\d+", found["found"])
    assert version is not None
    assert (ended.returncode, found["status"], found["advice"]) == (1, "fail", "upgrade to PostgreSQL 14 or newer")
    assert line == f"stagely-rpc: {version[0]} is too old: 14 or newer is needed\n"
