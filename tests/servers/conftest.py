from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stagely_rpc.db.schema import migrations
from tests.support.identity.certificates import make_authority
from tests.support.servers import installed
from tests.support.servers.postgresql import running
from tests.support.servers.tls import running_with_tls, written

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.identity.certificates import Certificate
    from tests.support.servers.postgresql import PostgreSQL


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    """The newest supported PostgreSQL, with a migrated database."""
    with running(installed.postgresql(installed.POSTGRESQL[-1]), max_connections="200") as server:
        migrations.upgrade(server.url())
        yield server


@pytest.fixture(scope="module")
def authority() -> Certificate:
    return make_authority()


@pytest.fixture(scope="module")
def tls_server(authority: Certificate) -> Iterator[PostgreSQL]:
    """A migrated PostgreSQL that offers TLS with a certificate for localhost."""
    with running_with_tls(authority) as server:
        yield server


@pytest.fixture
def authority_file(authority: Certificate, tmp_path: Path) -> Path:
    """A file with the authority's certificate."""
    return written(tmp_path / "authority.crt", authority.pem)
