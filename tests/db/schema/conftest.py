"""Databases at any revision."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
import pytest

from stagely_rpc.db.schema import migrations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.postgres import PostgresServer


@pytest.fixture(scope="session")
def seed_template(postgres_server: PostgresServer) -> Iterator[str]:
    """The name of a template database at revision 014."""
    url = postgres_server.create_database()
    migrations.upgrade(url, "014")
    yield urlsplit(url).path.removeprefix("/")
    postgres_server.drop_database(url)


@pytest.fixture(scope="session")
def seed_url(postgres_server: PostgresServer, seed_template: str) -> Iterator[str]:
    """A database at revision 014 that the tests of this worker share."""
    url = postgres_server.create_database(seed_template)
    yield url
    postgres_server.drop_database(url)


@pytest.fixture
def database_at(postgres_server: PostgresServer, seed_template: str) -> Iterator[Callable[[str], str]]:
    """Return a function that creates a database at a revision from 014 on, for one test, and returns its URL."""
    made: list[str] = []

    def at(revision: str) -> str:
        made.append(postgres_server.create_database(seed_template))
        migrations.upgrade(made[-1], revision)
        return made[-1]

    yield at
    for url in made:
        postgres_server.drop_database(url)


@pytest.fixture
def head_connection(database_url: str) -> Iterator[psycopg.Connection]:
    """A transaction on the shared database at head. It is rolled back after the test."""
    with psycopg.connect(database_url) as connection:
        yield connection
        connection.rollback()
