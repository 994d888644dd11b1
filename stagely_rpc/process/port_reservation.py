"""A port that is taken once, for all workers: each of them listens on it with SO_REUSEPORT."""

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
    """Hold a port for the workers of this process, for as long as the block runs, and give it.

    Args:
        host: the address, as the workers listen on it.
        port: 0 takes a free one.

    Raises:
        ListenError: it is taken, if only by the workers of another supervisor.
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
    """Keep other supervisors off while no worker listens: with SO_REUSEPORT they could all have the port.

    A name in Linux's abstract namespace belongs to one process, ends with it, and is apart where the ports are apart.
    """
    claim.bind(f"\0stagely-rpc {host}:{port}")


def _take(holding: ExitStack, host: str, port: int) -> int:
    """Bind a port and do not listen: no connection comes here, and nobody but the workers can bind it."""
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
    """Raise OSError where one listens, even one that would share: SO_REUSEPORT alone would join it."""
    with socket.socket(family) as alone:
        alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        alone.bind(address)
