"""The ports of the service: its own, plain or with TLS, and an optional plain one for health checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health_pb2_grpc

from stagely_rpc.errors import ListenError

if TYPE_CHECKING:
    from stagely_rpc.health import HealthServicer
    from stagely_rpc.identity.certificates import ServerCertificates

# A request has only the name of a service.
_HEALTH_OPTIONS = (("grpc.max_receive_message_length", 4096),)
_MAX_CHECKS = 100


def add_port(server: grpc.aio.Server, address: str, certificates: ServerCertificates | None = None) -> int:
    """Make a server listen on one more port once it starts.

    Args:
        server: a server that has not started.
        address: host and port. Port 0 takes a free port.
        certificates: the certificates for TLS. None: plaintext.

    Returns:
        The port.

    Raises:
        ListenError: the port can't be opened.
    """
    try:
        if certificates is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, certificates.credentials())
    except RuntimeError as error:
        raise ListenError(address) from error


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses to listen on.

    Attributes:
        host: the address of both ports.
        port: the port of the service; 0 takes a free port.
        health_port: the port for health checks only; 0 takes a free port, None opens none.
        shared: whether other processes may listen on these ports too (SO_REUSEPORT, which is gRPC's default).
    """

    host: str
    port: int
    health_port: int | None = None
    shared: bool = False

    @property
    def options(self) -> tuple[tuple[str, int], ...]:
        """The gRPC option that allows or forbids sharing the ports."""
        return (("grpc.so_reuseport", int(self.shared)),)


class Ports:
    """The port of the service and, if configured, a separate port for health checks.

    The health port is plaintext, because Kubernetes probes don't support TLS. It has its own queue, so that probes do
    not wait behind the calls of the service.

    Attributes:
        port: the port of the service. A free port is known after `open`.
        health_port: the port for health checks, if any.
    """

    def __init__(
        self,
        server: grpc.aio.Server,
        health: HealthServicer,
        addresses: Addresses,
        certificates: ServerCertificates | None = None,
    ) -> None:
        """Take the servers and the addresses.

        Args:
            server: the server of the service with the options of the addresses, not started.
            health: the health servicer of both ports.
            addresses: the addresses of both ports.
            certificates: the certificates of the service's port. None: plaintext.
        """
        self._server = server
        self._certificates = certificates
        self._host = addresses.host
        self.port = addresses.port
        self.health_port = addresses.health_port
        self._health_server: grpc.aio.Server | None = None
        if addresses.health_port is not None:
            options = (*_HEALTH_OPTIONS, *addresses.options)
            self._health_server = grpc.aio.server(options=options, maximum_concurrent_rpcs=_MAX_CHECKS)
            health_pb2_grpc.add_HealthServicer_to_server(health, self._health_server)

    async def open(self) -> None:
        """Open the ports and serve.

        Raises:
            ListenError: a port can't be opened. No port serves then.
        """
        self.port = add_port(self._server, f"{self._host}:{self.port}", self._certificates)
        if self._health_server is not None:
            self.health_port = add_port(self._health_server, f"{self._host}:{self.health_port}")
            await self._health_server.start()
        await self._server.start()

    async def close(self, grace_seconds: float) -> None:
        """Wait for running calls up to the grace period, then close all connections. Health checks close last."""
        await self._server.stop(grace_seconds)
        if self._health_server is not None:
            await self._health_server.stop(None)
