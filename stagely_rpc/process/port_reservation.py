"""Reserves a port for all workers of one supervisor. Each worker listens on it with SO_REUSEPORT."""

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
        port: 0 takes a free one.

    Raises:
        ListenError: another program uses the port, or another supervisor has reserved it.
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
    """Lock the port against other supervisors. With SO_REUSEPORT alone, they could all bind it.

    The lock is a socket name in Linux's abstract namespace. Only one process can bind the name, and the kernel frees it
    when the process ends. Like ports, these names are separate in each network namespace.
    """
    claim.bind(f"\0stagely-rpc {host}:{port}")


def _bind(sockets: ExitStack, host: str, port: int) -> int:
    """Bind the port without listening: this process gets no connections, and programs without SO_REUSEPORT can't bind.

    Return the port.
    """
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
    """Raise OSError if another program listens on the port, even with SO_REUSEPORT.

    A bind with SO_REUSEPORT would share the port with that program, so this one goes without.
    """
    with socket.socket(family) as exclusive:
        exclusive.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        exclusive.bind(address)
