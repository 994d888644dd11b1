"""Fixtures: a server with the full chain on a real socket, and a client for each service."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from stagely.v1 import (
    audit_pb2_grpc,
    cloud_provider_pb2_grpc,
    crypto_pb2_grpc,
    environment_pb2_grpc,
    id_pb2_grpc,
    project_pb2_grpc,
    secret_pb2_grpc,
    team_pb2_grpc,
    user_pb2_grpc,
)
from stagely_rpc.server.server import Server
from stagely_rpc.settings.model import Settings
from stagely_rpc.telemetry.logs.configure import configure_logs
from tests.support import secret_markers
from tests.support.call_metadata import headers_of, metadata_interceptors
from tests.support.leaks import SearchingInterceptor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from stagely.v1.audit_pb2_grpc import AuditServiceAsyncStub
    from stagely.v1.cloud_provider_pb2_grpc import CloudProviderServiceAsyncStub
    from stagely.v1.crypto_pb2_grpc import CryptoServiceAsyncStub
    from stagely.v1.environment_pb2_grpc import EnvironmentServiceAsyncStub
    from stagely.v1.id_pb2_grpc import IdServiceAsyncStub
    from stagely.v1.project_pb2_grpc import ProjectServiceAsyncStub
    from stagely.v1.secret_pb2_grpc import SecretServiceAsyncStub
    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub
    from stagely.v1.user_pb2_grpc import UserServiceAsyncStub

ENCRYPTION_KEY = secret_markers.ENCRYPTION_KEY.hex()


class SearchedServer(Server):
    """A server whose statuses are searched for secrets."""

    def _chain(self) -> Sequence[grpc.aio.ServerInterceptor]:
        return (SearchingInterceptor(), *super()._chain())


def settings_of(database_url: str, **overrides: object) -> Settings:
    """Return the settings of a server on a free port over a database."""
    given: dict[str, Any] = {
        "database_url": database_url,
        "redis_url": f"redis://:{secret_markers.marked_password('redis')}@127.0.0.1:1",
        "encryption_key": ENCRYPTION_KEY,
        "environment": "test",
        "host": "127.0.0.1",
        "port": 0,
        "database_pool_size": 10,
        "shutdown_pause_seconds": 0,
        "shutdown_grace_seconds": 5,
    }
    return Settings(**(given | overrides))


@asynccontextmanager
async def running_server(database_url: str, **overrides: object) -> AsyncIterator[Server]:
    """Run a server on a free port over a database."""
    server = SearchedServer(settings_of(database_url, **overrides))
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def connected(
    server: Server, *, token: str | None = None, user_id: str | None = None
) -> AsyncIterator[grpc.aio.Channel]:
    """Connect a client with its own connection. Its calls carry the token and the user id."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    interceptors = metadata_interceptors(headers_of(token, user_id))
    address = f"127.0.0.1:{server.port}"
    async with grpc.aio.insecure_channel(address, options=options, interceptors=interceptors) as channel:
        yield channel


@pytest.fixture(scope="session", autouse=True)
def logs() -> None:
    """Log at level debug, so that tests can capture every entry. Configured once, because loggers are cached."""
    configure_logs("debug", json=False)


@pytest.fixture(scope="session")
async def server(database_url: str) -> AsyncIterator[Server]:
    async with running_server(database_url) as server:
        yield server


@pytest.fixture(scope="session")
async def channel(server: Server) -> AsyncIterator[grpc.aio.Channel]:
    async with connected(server) as channel:
        yield channel


@pytest.fixture(scope="session")
def teams(channel: grpc.aio.Channel) -> TeamServiceAsyncStub:
    return team_pb2_grpc.TeamServiceStub(channel)


@pytest.fixture(scope="session")
def users(channel: grpc.aio.Channel) -> UserServiceAsyncStub:
    return user_pb2_grpc.UserServiceStub(channel)


@pytest.fixture(scope="session")
def crypto(channel: grpc.aio.Channel) -> CryptoServiceAsyncStub:
    return crypto_pb2_grpc.CryptoServiceStub(channel)


@pytest.fixture(scope="session")
def ids(channel: grpc.aio.Channel) -> IdServiceAsyncStub:
    return id_pb2_grpc.IdServiceStub(channel)


@pytest.fixture(scope="session")
def environments(channel: grpc.aio.Channel) -> EnvironmentServiceAsyncStub:
    return environment_pb2_grpc.EnvironmentServiceStub(channel)


@pytest.fixture(scope="session")
def secrets(channel: grpc.aio.Channel) -> SecretServiceAsyncStub:
    return secret_pb2_grpc.SecretServiceStub(channel)


@pytest.fixture(scope="session")
def projects(channel: grpc.aio.Channel) -> ProjectServiceAsyncStub:
    return project_pb2_grpc.ProjectServiceStub(channel)


@pytest.fixture(scope="session")
def cloud_providers(channel: grpc.aio.Channel) -> CloudProviderServiceAsyncStub:
    return cloud_provider_pb2_grpc.CloudProviderServiceStub(channel)


@pytest.fixture(scope="session")
def audit(channel: grpc.aio.Channel) -> AuditServiceAsyncStub:
    return audit_pb2_grpc.AuditServiceStub(channel)
