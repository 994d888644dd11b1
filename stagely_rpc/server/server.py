"""A server: creates its parts with `wiring`, and starts and stops them in order."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Literal

import structlog

from stagely_rpc.audit.chain import ChainKey
from stagely_rpc.crypto.probe import key_check
from stagely_rpc.db.idempotency import Expiry
from stagely_rpc.db.schema.revision import needed_revision
from stagely_rpc.draining import Draining
from stagely_rpc.errors import ListenError, StagelyError
from stagely_rpc.health import DatabaseProbe, HealthServicer, Prober, UnhealthyError, all_of, pool_probe, schema_check
from stagely_rpc.identity.keys import KeySetError
from stagely_rpc.identity.pem import CertificateError
from stagely_rpc.identity.permissions import PermissionsError
from stagely_rpc.server.chain import ChainParts, build_chain
from stagely_rpc.server.services import SERVICES, add_servicers
from stagely_rpc.server.wiring import (
    build_authenticator,
    build_database,
    build_denials,
    build_grpc_server,
    build_health_listener,
    build_keyring,
    build_metrics,
    build_metrics_endpoint,
    build_sampling,
    build_sealer,
    build_server_certificates,
    build_tracing,
)
from stagely_rpc.transport.endpoints import Endpoints
from stagely_rpc.transport.options import transport_options
from stagely_rpc.transport.ports import Addresses, Ports

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grpc.aio import ServerInterceptor

    from stagely_rpc.settings.model import Settings

_log = structlog.get_logger(__name__)


class StartupError(Exception):
    """The server can't start. The message is one line without secrets."""


class Server:
    """The gRPC server with all its parts."""

    def __init__(self, settings: Settings, *, supervised: bool = False) -> None:
        """Create every part. Nothing connects or listens yet.

        Args:
            settings: the settings of the server.
            supervised: whether the server is one of several workers. Workers share the ports; their supervisor
                announces the service and serves the metrics of all workers.

        Raises:
            StartupError: a certificate or the permissions file can't be used.
        """
        self._settings = settings
        self._supervised = supervised
        self._metrics = build_metrics(settings, supervised=supervised)
        self._sampling = None if self._metrics is None else build_sampling(self._metrics)
        self._metrics_port: int | None = None
        try:
            self._certificates = build_server_certificates(settings)
            self._authenticator = build_authenticator(settings)
        except (CertificateError, PermissionsError) as error:
            raise StartupError(str(error)) from error
        self._tracing = build_tracing(settings, self._metrics)
        self._db = build_database(settings, self._metrics, self._tracing)
        if self._metrics is not None:
            self._metrics.database.watch_pool(self._db.connections)
        self._draining = Draining()
        self._expiry = Expiry(self._db)
        self._denials = build_denials(self._db, self._metrics)
        key = settings.encryption_key_bytes
        self._keyring = build_keyring(settings, self._metrics, self._tracing)
        self._chain_key = None if key is None else ChainKey(key)
        self._sealer = build_sealer(self._db, self._chain_key, self._metrics)
        self._probe = DatabaseProbe(
            settings.database_url.get_secret_value(), schema_check(needed_revision()), key_check(self._keyring)
        )
        self._health = HealthServicer([service.full_name for service in SERVICES])
        self._prober = Prober(
            all_of(self._probe, pool_probe(self._db.stalled_seconds)),
            self._health,
            interval_seconds=settings.health_interval_seconds,
            timeout_seconds=settings.health_timeout_seconds,
            on_change=build_health_listener(self._db, self._metrics),
        )
        addresses = Addresses(settings.host, settings.port, settings.health_port, shared=supervised)
        options = (*transport_options(settings), *addresses.options)
        self._grpc = build_grpc_server(self._chain(), options, self._metrics)
        add_servicers(self._grpc, settings, self._db, self._keyring, self._chain_key, self._health)
        self._ports = Ports(self._grpc, self._health, addresses, self._certificates)
        self._running = AsyncExitStack()

    @property
    def port(self) -> int:
        """The port of the service."""
        return self._ports.port

    @property
    def health_port(self) -> int | None:
        """The plaintext port for health checks only, if any."""
        return self._ports.health_port

    @property
    def endpoints(self) -> Endpoints:
        """The endpoints of the service. It must be listening."""
        host = self._settings.host
        tls: Literal["server", "mutual"] = "mutual" if self._authenticator.accepts_certificates else "server"
        return Endpoints(
            address=f"{host}:{self.port}",
            authentication_is_on=self._authenticator.is_on,
            tls=tls if self._certificates is not None else None,
            health=None if self.health_port is None else f"{host}:{self.health_port}",
            metrics=None if self._metrics_port is None else f"{host}:{self._metrics_port}",
        )

    def _chain(self) -> Sequence[ServerInterceptor]:
        return build_chain(self._settings, self._chain_parts())

    def _chain_parts(self) -> ChainParts:
        return ChainParts(self._db, self._authenticator, self._denials, self._draining, self._metrics, self._tracing)

    async def start(self) -> None:
        """Connect, check and listen. If a part does not start, the parts that did are stopped.

        Raises:
            StartupError: the database can't be reached, its schema is out of date, its secrets are encrypted with
                another key, the key set for tokens can't be read, or a port is taken.
        """
        async with AsyncExitStack() as starting:
            try:
                await self._start(starting)
            except (UnhealthyError, StagelyError, KeySetError, ListenError) as error:
                raise StartupError(str(error)) from error
            self._running = starting.pop_all()

    async def start_unless(self, stop: asyncio.Event) -> bool:
        """Start, or give up when `stop` is set, because a hanging database can delay a start. Return whether it runs.

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
            _log.info("stopped before startup finished")
            return False
        await starting
        return True

    async def _start(self, starting: AsyncExitStack) -> None:
        """Start every part, and push its stop onto the stack, so that the parts stop in reverse order."""
        if self._tracing is not None:
            starting.push_async_callback(self._tracing.stop)
        starting.push_async_callback(self._db.close)
        starting.push_async_callback(self._probe.close)
        await self._probe()
        await self._db.start()
        async with self._db.system_transaction() as transaction:
            await self._keyring.check(transaction)
        starting.push_async_callback(self._authenticator.stop)
        await self._authenticator.start()
        # Stopping records the denials of the last calls, then seals them.
        for part in (self._sampling, self._sealer, self._denials, self._expiry):
            if part is not None:
                part.start()
                starting.push_async_callback(part.stop)
        if self._certificates is not None:
            self._certificates.start()
            starting.callback(self._certificates.stop)
        if self._metrics is not None and self._metrics.registry is not None:
            self._metrics_port = starting.enter_context(build_metrics_endpoint(self._settings, self._metrics.registry))
        await self._ports.open()
        starting.push_async_callback(self._ports.close, self._settings.shutdown_grace_seconds)
        starting.push_async_callback(self._prober.stop)
        await self._prober.start()
        if not self._supervised:
            self.endpoints.announce()

    async def stop(self) -> None:
        """Report NOT_SERVING and keep serving for the pause. Then end streams, wait for calls, and close everything."""
        await self._health.enter_graceful_shutdown()
        _log.info("stopping", pause_seconds=self._settings.shutdown_pause_seconds)
        await asyncio.sleep(self._settings.shutdown_pause_seconds)
        self._draining.begin()
        await self._running.aclose()
        _log.info("stopped")
