from __future__ import annotations

import secrets
import socket
from typing import TYPE_CHECKING

import pytest

from stagely_rpc.client import connect, connect_sync
from tests.support.client.recorder import recording

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from stagely_rpc.client import Stagely, SyncStagely
    from stagely_rpc.server.server import Server
    from tests.support.client.recorder import Recorder


@pytest.fixture
async def stagely(server: Server) -> AsyncIterator[Stagely]:
    async with connect(f"127.0.0.1:{server.port}") as stagely:
        yield stagely


@pytest.fixture
def sync_stagely(server: Server) -> Iterator[SyncStagely]:
    """A sync client, for threads: the server runs in the loop that a test would block."""
    with connect_sync(f"127.0.0.1:{server.port}") as stagely:
        yield stagely


@pytest.fixture
async def recorder() -> AsyncIterator[Recorder]:
    async with recording() as recorder:
        yield recorder


@pytest.fixture
def slug() -> str:
    return f"team-{secrets.token_hex(8)}"


@pytest.fixture
def closed_port() -> int:
    """A port of this host that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port
