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

# The name of a service is all that there is to say.
_HEALTH_OPTIONS = (("grpc.max_receive_message_length", 4096),)
_MAX_CHECKS = 100


def add_port(server: grpc.aio.Server, address: str, certificates: ServerCertificates | None = None) -> int:
    """Make a server listen on one more port once it starts.

    Args:
        server: must not have started yet.
        address: host and port; port 0 takes a free one.
        certificates: for TLS; without them the port is plain.

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
    """Where to listen.

    Attributes:
        host: the address of both ports.
        port: of the service; 0 takes a free one.
        health_port: of health alone; 0 takes a free one, None makes none.
        shared: whether other processes listen on these ports too; by default two servers on one port share its calls
            without a word.
    """

    host: str
    port: int
    health_port: int | None = None
    shared: bool = False

    @property
    def options(self) -> tuple[tuple[str, int], ...]:
        """The options of gRPC by which a server shares its port, or refuses to."""
        return (("grpc.so_reuseport", int(self.shared)),)


class Ports:
    """Where the service is reached: its own port and, where it is asked for, one for health checks.

    The second is plain and answers nothing else: the probes of Kubernetes speak no TLS, and what waits to be begun on
    the first does not keep them waiting.

    Attributes:
        port: of the service, once it is open.
        health_port: of health alone, if there is one, once it is open.
    """

    def __init__(
        self,
        server: grpc.aio.Server,
        health: HealthServicer,
        addresses: Addresses,
        certificates: ServerCertificates | None = None,
    ) -> None:
        """Take what is to be reached.

        Args:
            server: the service with the options of the addresses, not started yet.
            health: what both ports answer health checks with.
            addresses: of both.
            certificates: with which the service is reached by TLS alone; without, its port is plain.
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
        """Take the ports, and answer on them.

        Raises:
            ListenError: a port can't be opened. Then none of them answers.
        """
        self.port = add_port(self._server, f"{self._host}:{self.port}", self._certificates)
        if self._health_server is not None:
            self.health_port = add_port(self._health_server, f"{self._host}:{self.health_port}")
            await self._health_server.start()
        await self._server.start()

    async def close(self, grace_seconds: float) -> None:
        """Let running calls end within the grace period, then close all connections, those of health checks last."""
        await self._server.stop(grace_seconds)
        if self._health_server is not None:
            await self._health_server.stop(None)
