"""The composition root: the one module that knows every part, and makes a running server of them."""

from __future__ import annotations

import asyncio
import secrets
import signal
from typing import TYPE_CHECKING

import grpc
import structlog
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from grpc_health.v1 import health_pb2, health_pb2_grpc

from stagely.v1 import (
    cloud_provider_pb2,
    cloud_provider_pb2_grpc,
    crypto_pb2,
    crypto_pb2_grpc,
    environment_pb2,
    environment_pb2_grpc,
    id_pb2,
    id_pb2_grpc,
    project_pb2,
    project_pb2_grpc,
    secret_pb2,
    secret_pb2_grpc,
    team_pb2,
    team_pb2_grpc,
    user_pb2,
    user_pb2_grpc,
)
from stagely_rpc.cloud_providers.servicer import CloudProviderServicer
from stagely_rpc.crypto.envelope import Keyring
from stagely_rpc.crypto.servicer import CryptoServicer
from stagely_rpc.db.engine import Database, PoolLimits
from stagely_rpc.db.migrations import head_revision
from stagely_rpc.environments.servicer import EnvironmentServicer
from stagely_rpc.errors import StagelyError
from stagely_rpc.health import DatabaseProbe, HealthServicer, Prober, UnhealthyError
from stagely_rpc.ids.servicer import IdServicer
from stagely_rpc.interceptors.access_log import AccessLogInterceptor
from stagely_rpc.interceptors.context import ContextInterceptor
from stagely_rpc.interceptors.decoding import DecodingInterceptor
from stagely_rpc.interceptors.errors import ErrorInterceptor
from stagely_rpc.projects.servicer import ProjectServicer
from stagely_rpc.reflection import enable_reflection
from stagely_rpc.secrets.servicer import SecretServicer
from stagely_rpc.teams.servicer import TeamServicer
from stagely_rpc.users.servicer import UserServicer
from stagely_rpc.wire.paging import PageTokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagely_rpc.settings import Settings

_log = structlog.get_logger(__name__)

OPTIONS = (
    # Two servers on one port would share its calls without a word.
    ("grpc.so_reuseport", 0),
    # Keepalive pings of clients, which send them every 10 s at most, are welcome; by default, more than one in five
    # minutes is too many. (The constant in C is called MIN_RECV_PING_INTERVAL, and its text is this.)
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
)


class StartupError(Exception):
    """The server can't start: one line that says why, without a secret."""


class Server:
    """The service: from settings to a port that answers, and back."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        url = settings.database_url.get_secret_value()
        self._db = Database(url, _pool_limits(settings))
        self._keyring = Keyring(settings.encryption_key_bytes)
        self._probe = DatabaseProbe(url, head_revision())
        self._grpc = grpc.aio.server(
            interceptors=[ContextInterceptor(), AccessLogInterceptor(), ErrorInterceptor(), DecodingInterceptor()],
            options=OPTIONS,
            maximum_concurrent_rpcs=settings.max_concurrent_rpcs,
        )
        names = self._add_servicers()
        self._health = HealthServicer(names)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._grpc)
        enable_reflection((*names, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name), self._grpc)
        self._prober = Prober(
            self._probe,
            self._health,
            interval_seconds=settings.health_interval_seconds,
            timeout_seconds=settings.health_timeout_seconds,
        )
        self.port = 0

    def _add_servicers(self) -> list[str]:
        """Register every service, and return their full names."""
        pages = PageTokens(_derived_key(self._settings, b"page tokens"))
        team_pb2_grpc.add_TeamServiceServicer_to_server(TeamServicer(self._db, pages), self._grpc)
        user_pb2_grpc.add_UserServiceServicer_to_server(UserServicer(self._db, pages), self._grpc)
        crypto_pb2_grpc.add_CryptoServiceServicer_to_server(CryptoServicer(), self._grpc)
        id_pb2_grpc.add_IdServiceServicer_to_server(IdServicer(), self._grpc)
        environment_pb2_grpc.add_EnvironmentServiceServicer_to_server(
            EnvironmentServicer(self._db, pages, self._settings.domain), self._grpc
        )
        project_pb2_grpc.add_ProjectServiceServicer_to_server(ProjectServicer(self._db, pages), self._grpc)
        cloud_provider_pb2_grpc.add_CloudProviderServiceServicer_to_server(
            CloudProviderServicer(self._db, pages, self._keyring), self._grpc
        )
        secret_pb2_grpc.add_SecretServiceServicer_to_server(SecretServicer(self._db, pages, self._keyring), self._grpc)
        files = (environment_pb2, team_pb2, user_pb2, crypto_pb2, id_pb2, secret_pb2, project_pb2, cloud_provider_pb2)
        return [service.full_name for file in files for service in file.DESCRIPTOR.services_by_name.values()]

    async def start(self) -> None:
        """Connect, check and listen.

        Raises:
            StartupError: the database is away or its schema behind, it holds secrets of another encryption key, or the
                port is taken.
        """
        try:
            await self._probe()
            await self._db.start()
            async with self._db.read() as session:
                await self._keyring.check(session)
        except (UnhealthyError, StagelyError) as error:
            raise StartupError(str(error)) from error
        await self._listen()
        await self._prober.start()

    async def _listen(self) -> None:
        address = f"{self._settings.host}:{self._settings.port}"
        try:
            self.port = self._grpc.add_insecure_port(address)
        except RuntimeError as error:
            raise StartupError(f"can't listen on {address}: is the port taken?") from error
        await self._grpc.start()
        _log.info("listening", address=f"{self._settings.host}:{self.port}")

    async def stop(self) -> None:
        """Say NOT_SERVING, let calls under way end within the grace, and close every connection."""
        await self._health.enter_graceful_shutdown()
        await self._prober.stop()
        await self._grpc.stop(self._settings.shutdown_grace_seconds)
        await self._probe.close()
        await self._db.close()
        _log.info("stopped")


async def serve(settings: Settings, on_ready: Callable[[Server], None]) -> None:
    """Run a server until SIGTERM or SIGINT. A second signal ends the process at once.

    Args:
        settings: of the server.
        on_ready: called once the server answers.

    Raises:
        StartupError: the server can't start.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    server = Server(settings)
    await server.start()
    on_ready(server)
    await stop.wait()
    for number in signals:
        loop.remove_signal_handler(number)
    await server.stop()


def _pool_limits(settings: Settings) -> PoolLimits:
    return PoolLimits(
        size=settings.database_pool_size,
        idle=settings.database_pool_idle,
        lifetime_seconds=settings.database_pool_lifetime_seconds,
        wait_seconds=settings.database_pool_wait_seconds,
    )


def _derived_key(settings: Settings, purpose: bytes) -> bytes:
    """Return a key of its own for a purpose, the same on every replica: from the encryption key by HKDF (RFC 5869).

    Without an encryption key, which production has, it is random: page tokens then end with the process.
    """
    secret = settings.encryption_key_bytes
    if secret is None:
        return secrets.token_bytes(32)
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"stagely-rpc " + purpose).derive(secret)
