"""The composition root: the one module that knows every part, and makes a running server of them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Literal

import structlog
from grpc_health.v1 import health, health_pb2_grpc

from stagely.v1 import (
    audit_pb2,
    audit_pb2_grpc,
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
from stagely_rpc.audit.chain import ChainKey
from stagely_rpc.audit.servicer import AuditServicer
from stagely_rpc.call import Policy
from stagely_rpc.cloud_providers.servicer import CloudProviderServicer
from stagely_rpc.crypto.probe import key_check
from stagely_rpc.crypto.servicer import CryptoServicer
from stagely_rpc.db.idempotency_expiry import Expiry
from stagely_rpc.db.schema.revision import needed_revision
from stagely_rpc.environments.servicer import EnvironmentServicer
from stagely_rpc.errors import ListenError, StagelyError
from stagely_rpc.health import (
    DatabaseProbe,
    HealthServicer,
    Prober,
    UnhealthyError,
    all_of,
    pool_probe,
    schema_check,
)
from stagely_rpc.identity.keys import KeySetError
from stagely_rpc.identity.pem import CertificateError
from stagely_rpc.identity.permissions import PermissionsError
from stagely_rpc.ids.servicer import IdServicer
from stagely_rpc.interceptors.access_log import AccessLogInterceptor
from stagely_rpc.interceptors.auth import AuthInterceptor
from stagely_rpc.interceptors.concurrency import LoadInterceptor
from stagely_rpc.interceptors.context import ContextInterceptor
from stagely_rpc.interceptors.deadline import DeadlineInterceptor
from stagely_rpc.interceptors.decoding import DecodingInterceptor
from stagely_rpc.interceptors.errors import ErrorInterceptor
from stagely_rpc.interceptors.idempotency import OnceInterceptor
from stagely_rpc.interceptors.metrics import MetricsInterceptor
from stagely_rpc.projects.servicer import ProjectServicer
from stagely_rpc.secrets.servicer import SecretServicer
from stagely_rpc.server.wiring import (
    authenticator,
    database,
    denials,
    grpc_server,
    health_listener,
    keyring,
    metrics,
    metrics_endpoint,
    page_tokens,
    retries,
    sampling,
    sealer,
    server_certificates,
    tracing,
    tracing_interceptors,
)
from stagely_rpc.teams.servicer import TeamServicer
from stagely_rpc.transport.endpoints import Reach
from stagely_rpc.transport.handlers import without_registration
from stagely_rpc.transport.options import transport_options
from stagely_rpc.transport.ports import Addresses, Ports
from stagely_rpc.transport.reflection import REFLECTION_METHOD, enable_reflection
from stagely_rpc.users.servicer import UserServicer
from stagely_rpc.wire.policies import policies, repeatable_responses

if TYPE_CHECKING:
    from collections.abc import Sequence

    import grpc

    from stagely_rpc.settings.model import Settings

_log = structlog.get_logger(__name__)

FILES = (
    audit_pb2,
    environment_pb2,
    team_pb2,
    user_pb2,
    crypto_pb2,
    id_pb2,
    secret_pb2,
    project_pb2,
    cloud_provider_pb2,
)
SERVICES = tuple(service for file in FILES for service in file.DESCRIPTOR.services_by_name.values())

HEALTH_METHODS = tuple(f"/{health.SERVICE_NAME}/{method}" for method in ("Check", "List", "Watch"))
REFLECTION_POLICY = Policy(permission="reflection.use", acting_for="any_user")
"""Of reflection in production; elsewhere it is open."""


class StartupError(Exception):
    """The server can't start: one line that says why, without a secret."""


class Server:
    """The service: from settings to a port that answers, and back."""

    def __init__(self, settings: Settings, *, supervised: bool = False) -> None:
        """Make every part; nothing connects or listens yet.

        Args:
            settings: of the server.
            supervised: whether it is one of several workers: they share the ports, and their supervisor speaks for
                them and answers with the metrics of all.

        Raises:
            StartupError: a certificate or the permissions file can't be used.
        """
        self._settings = settings
        self._supervised = supervised
        self._metrics = metrics(settings, supervised=supervised)
        self._sampling = None if self._metrics is None else sampling(self._metrics)
        self._metrics_port: int | None = None
        try:
            self._certificates = server_certificates(settings)
            self._authenticator = authenticator(settings)
        except (CertificateError, PermissionsError) as error:
            raise StartupError(str(error)) from error
        self._tracing = tracing(settings, self._metrics)
        self._db = database(settings, self._metrics, self._tracing)
        if self._metrics is not None:
            self._metrics.database.watch_pool(self._db.connections)
        self._expiry = Expiry(self._db)
        self._denials = denials(self._db, self._metrics)
        key = settings.encryption_key_bytes
        self._keyring = keyring(settings, self._metrics, self._tracing)
        self._chain_key = None if key is None else ChainKey(key)
        self._sealer = sealer(self._db, self._chain_key, self._metrics)
        self._probe = DatabaseProbe(
            settings.database_url.get_secret_value(), schema_check(needed_revision()), key_check(self._keyring)
        )
        self._health = HealthServicer([service.full_name for service in SERVICES])
        self._prober = Prober(
            all_of(self._probe, pool_probe(self._db.stalled_seconds)),
            self._health,
            interval_seconds=settings.health_interval_seconds,
            timeout_seconds=settings.health_timeout_seconds,
            on_change=health_listener(self._db, self._metrics),
        )
        addresses = Addresses(settings.host, settings.port, settings.health_port, shared=supervised)
        self._grpc = grpc_server(
            self._interceptors(), (*transport_options(settings), *addresses.options), self._metrics
        )
        self._add_servicers()
        self._ports = Ports(self._grpc, self._health, addresses, self._certificates)
        self._running = AsyncExitStack()

    @property
    def port(self) -> int:
        """Where the service listens."""
        return self._ports.port

    @property
    def health_port(self) -> int | None:
        """Where health alone is answered in plaintext, if that is asked for."""
        return self._ports.health_port

    @property
    def reach(self) -> Reach:
        """How the service is reached, once it listens."""
        host = self._settings.host
        tls: Literal["server", "mutual"] = "mutual" if self._authenticator.takes_certificates else "server"
        return Reach(
            address=f"{host}:{self.port}",
            authentication_is_on=self._authenticator.is_on,
            tls=tls if self._certificates is not None else None,
            health=None if self.health_port is None else f"{host}:{self.health_port}",
            metrics=None if self._metrics_port is None else f"{host}:{self._metrics_port}",
        )

    def _interceptors(self) -> Sequence[grpc.aio.ServerInterceptor]:
        """Return what every call passes through, outermost first."""
        reflection = {} if self._settings.environment != "production" else {REFLECTION_METHOD: REFLECTION_POLICY}
        open_methods = HEALTH_METHODS if reflection else (*HEALTH_METHODS, REFLECTION_METHOD)
        admitted, repeatable = policies(SERVICES), repeatable_responses(SERVICES)
        return (
            ContextInterceptor(),
            *tracing_interceptors(self._tracing),
            *([] if self._metrics is None else [MetricsInterceptor(self._metrics)]),
            AccessLogInterceptor(),
            ErrorInterceptor(),
            LoadInterceptor(self._settings.max_concurrent_rpcs, admitted),
            DeadlineInterceptor(self._settings.default_deadline_seconds),
            AuthInterceptor(self._authenticator, admitted | reflection, open_methods, self._db, self._denials),
            DecodingInterceptor(),
            OnceInterceptor(repeatable),
            retries(repeatable, self._metrics),
        )

    def _add_servicers(self) -> None:
        pages, server = page_tokens(self._settings), without_registration(self._grpc)
        team_pb2_grpc.add_TeamServiceServicer_to_server(TeamServicer(self._db, pages), server)
        user_pb2_grpc.add_UserServiceServicer_to_server(UserServicer(self._db, pages), server)
        crypto_pb2_grpc.add_CryptoServiceServicer_to_server(CryptoServicer(), server)
        id_pb2_grpc.add_IdServiceServicer_to_server(IdServicer(), server)
        environment_pb2_grpc.add_EnvironmentServiceServicer_to_server(
            EnvironmentServicer(self._db, pages, self._settings.domain), server
        )
        project_pb2_grpc.add_ProjectServiceServicer_to_server(ProjectServicer(self._db, pages), server)
        cloud_provider_pb2_grpc.add_CloudProviderServiceServicer_to_server(
            CloudProviderServicer(self._db, pages, self._keyring), server
        )
        secret_pb2_grpc.add_SecretServiceServicer_to_server(SecretServicer(self._db, pages, self._keyring), server)
        audit_pb2_grpc.add_AuditServiceServicer_to_server(AuditServicer(self._db, pages, self._chain_key), server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        enable_reflection((*(service.full_name for service in SERVICES), health.SERVICE_NAME), self._grpc)

    async def start(self) -> None:
        """Connect, check and listen. What was started is stopped again if anything after it does not start.

        Raises:
            StartupError: the database is away or its schema behind, it holds secrets of another encryption key, the key
                set of tokens can't be read, or the port is taken.
        """
        async with AsyncExitStack() as starting:
            try:
                await self._start(starting)
            except (UnhealthyError, StagelyError, KeySetError, ListenError) as error:
                raise StartupError(str(error)) from error
            self._running = starting.pop_all()

    async def start_unless(self, stop: asyncio.Event) -> bool:
        """Start, unless it is said to stop meanwhile: a database that hangs may take for ever. Return whether it runs.

        Raises:
            StartupError: as `start` does.
        """
        starting, stopping = asyncio.create_task(self.start()), asyncio.create_task(stop.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not starting.done():
            starting.cancel()
            await asyncio.wait({starting})
        if starting.cancelled():
            _log.info("stopped before it had started")
            return False
        await starting
        return True

    async def _start(self, starting: AsyncExitStack) -> None:
        """Start every part, and give the stack what stops it: at the end the parts stop in the opposite order."""
        if self._tracing is not None:
            starting.push_async_callback(self._tracing.stop)
        starting.push_async_callback(self._db.close)
        starting.push_async_callback(self._probe.close)
        await self._probe()
        await self._db.start()
        async with self._db.maintain() as session:
            await self._keyring.check(session)
        starting.push_async_callback(self._authenticator.stop)
        await self._authenticator.start()
        # What the last calls leave to be recorded is recorded, then sealed.
        for part in (self._sampling, self._sealer, self._denials, self._expiry):
            if part is not None:
                part.start()
                starting.push_async_callback(part.stop)
        if self._certificates is not None:
            self._certificates.start()
            starting.callback(self._certificates.stop)
        if self._metrics is not None and self._metrics.registry is not None:
            self._metrics_port = starting.enter_context(metrics_endpoint(self._settings, self._metrics.registry))
        await self._ports.open()
        starting.push_async_callback(self._ports.close, self._settings.shutdown_grace_seconds)
        starting.push_async_callback(self._prober.stop)
        await self._prober.start()
        if not self._supervised:
            self.reach.announce()

    async def stop(self) -> None:
        """Say NOT_SERVING, serve on until balancers know, let calls under way end, and close every connection."""
        await self._health.enter_graceful_shutdown()
        _log.info("stopping", pause_seconds=self._settings.shutdown_pause_seconds)
        await asyncio.sleep(self._settings.shutdown_pause_seconds)
        await self._running.aclose()
        _log.info("stopped")
