"""Reserves a port for all workers. Each worker listens on it with SO_REUSEPORT."""

from __future__ import annotations

import socket
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from stagely_rpc.errors import ListenError

if TYPE_CHECKING:
    from collections.abc import Iterator

    Address = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]


@contextmanager
def reserved_port(host: str, port: int) -> Iterator[int]:
    """Reserve a port for the workers of this process while the block runs. Yield the port.

    Args:
        host: the address that the workers listen on.
        port: the port; 0 takes a free port.

    Raises:
        ListenError: the port is taken, maybe by the workers of another supervisor.
    """
    with ExitStack() as sockets:
        try:
            if port:
                _claim(sockets.enter_context(socket.socket(socket.AF_UNIX)), host, port)
            bound = _bind(sockets, host, port)
        except OSError as error:
            raise ListenError(f"{host}:{port}") from error
        yield bound


def _claim(claim: socket.socket, host: str, port: int) -> None:
    """Block other supervisors, which could share the port with SO_REUSEPORT.

    The claim is a socket in Linux's abstract namespace. Only one process can bind its name, and the kernel frees the
    name when the process ends. Like ports, the names are separate in each network namespace.
    """
    claim.bind(f"\0stagely-rpc {host}:{port}")


def _bind(sockets: ExitStack, host: str, port: int) -> int:
    """Bind a port without listening. It gets no connections, and only processes with SO_REUSEPORT can bind it too."""
    found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, *_, address = found[0]
    if port:
        _check_unused(family, address)
    reserved = sockets.enter_context(socket.socket(family))
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    reserved.bind(address)
    return int(reserved.getsockname()[1])


def _check_unused(family: int, address: Address) -> None:
    """Raise OSError if any process listens on the port. With SO_REUSEPORT alone, binding would succeed."""
    with socket.socket(family) as exclusive:
        exclusive.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        exclusive.bind(address)
