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
def held(host: str, port: int) -> Iterator[int]:
    """Reserve a port for the workers of this process while the block runs. Yield the port.

    Args:
        host: the address that the workers listen on.
        port: the port; 0 takes a free port.

    Raises:
        ListenError: the port is taken, maybe by the workers of another supervisor.
    """
    with ExitStack() as holding:
        try:
            if port:
                _claim(holding.enter_context(socket.socket(socket.AF_UNIX)), host, port)
            taken = _take(holding, host, port)
        except OSError as error:
            raise ListenError(f"{host}:{port}") from error
        yield taken


def _claim(claim: socket.socket, host: str, port: int) -> None:
    """Block other supervisors, which could share the port with SO_REUSEPORT.

    The claim is a socket in Linux's abstract namespace: one process can bind its name, it ends with the process, and it
    is per network namespace, as ports are.
    """
    claim.bind(f"\0stagely-rpc {host}:{port}")


def _take(holding: ExitStack, host: str, port: int) -> int:
    """Bind a port without listening. It gets no connections, and only processes with SO_REUSEPORT can bind it too."""
    found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, *_, address = found[0]
    if port:
        _check_nobody_listens(family, address)
    reserved = holding.enter_context(socket.socket(family))
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    reserved.bind(address)
    return int(reserved.getsockname()[1])


def _check_nobody_listens(family: int, address: Address) -> None:
    """Raise OSError if any process listens on the port. With SO_REUSEPORT alone, binding would succeed."""
    with socket.socket(family) as alone:
        alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        alone.bind(address)
