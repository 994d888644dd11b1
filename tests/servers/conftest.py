from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stagely_rpc.db import migrations
from tests.servers import installed
from tests.servers.postgresql import running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.postgresql import PostgreSQL


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    """The newest supported PostgreSQL, whose database is migrated."""
    with running(installed.postgresql(installed.POSTGRESQL[-1]), max_connections="200") as server:
        migrations.upgrade(server.url())
        yield server
