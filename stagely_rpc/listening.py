"""Where the service listens: its port, plain or with TLS, and beside it a plain one for health alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health_pb2_grpc

if TYPE_CHECKING:
    from stagely_rpc.health import HealthServicer
    from stagely_rpc.identity.certificates import ServerCertificates

_HEALTH_OPTIONS = (
    ("grpc.so_reuseport", 0),
    # The name of a service is all that there is to say.
    ("grpc.max_receive_message_length", 4096),
)
_MAX_CHECKS = 100


class ListenError(Exception):
    """A port can't be listened on: one line that says which, and why that may be."""


def add_port(server: grpc.aio.Server, address: str, certificates: ServerCertificates | None = None) -> int:
    """Make a server listen on one more port once it starts.

    Args:
        server: that has not started yet.
        address: host and port; port 0 takes a free one.
        certificates: with which the port is secure; without, it is plain.

    Returns:
        The port.

    Raises:
        ListenError: it can't be had.
    """
    try:
        if certificates is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, certificates.credentials())
    except RuntimeError as error:
        raise ListenError(f"can't listen on {address}: is the port taken?") from error


class Ports:
    """Where the service is reached: its own port and, where it is asked for, one for health checks.

    The second is plain and answers nothing else, because the probes of Kubernetes speak no TLS.

    Attributes:
        port: of the service, once it is open.
        health_port: of health alone, if there is one, once it is open.
    """

    def __init__(
        self,
        server: grpc.aio.Server,
        health: HealthServicer,
        *,
        host: str,
        port: int,
        health_port: int | None = None,
        certificates: ServerCertificates | None = None,
    ) -> None:
        """Take what is to be reached.

        Args:
            server: the service, not started yet.
            health: what both ports answer health checks with.
            host: the address of both.
            port: of the service; 0 takes a free one.
            health_port: of health alone; 0 takes a free one, None makes none.
            certificates: with which the service is reached by TLS alone; without, its port is plain.
        """
        self._server = server
        self._certificates = certificates
        self._host = host
        self.port = port
        self.health_port = health_port
        self._health_server: grpc.aio.Server | None = None
        if health_port is not None:
            self._health_server = grpc.aio.server(options=_HEALTH_OPTIONS, maximum_concurrent_rpcs=_MAX_CHECKS)
            health_pb2_grpc.add_HealthServicer_to_server(health, self._health_server)

    async def open(self) -> None:
        """Take the ports, and answer on them.

        Raises:
            ListenError: one of them can't be had. None answers then.
        """
        self.port = add_port(self._server, f"{self._host}:{self.port}", self._certificates)
        if self._health_server is not None:
            self.health_port = add_port(self._health_server, f"{self._host}:{self.health_port}")
            await self._health_server.start()
        await self._server.start()

    async def close(self, grace_seconds: float) -> None:
        """Let calls under way end within the grace, and close every connection, those of health checks last."""
        await self._server.stop(grace_seconds)
        if self._health_server is not None:
            await self._health_server.stop(None)
