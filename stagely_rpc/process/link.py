"""The link between the supervisor and a worker: a socket pair on which the worker sends one line.

The kernel closes the socket of a process that ends in any way, so each side notices the end of the other.
"""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Self

from stagely_rpc.transport.endpoints import Endpoints

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Problem:
    """A worker can't start. The message is one line for people."""

    line: str


class WorkerEnd:
    """The worker's end of the link."""

    def __init__(self, descriptor: int) -> None:
        """Take the socket that the supervisor opened for this process."""
        self._socket = socket.socket(fileno=descriptor)
        self._socket.setblocking(False)

    def when_closed(self, stop: Callable[[], None]) -> None:
        """Call `stop` when the supervisor has ended."""
        loop = asyncio.get_running_loop()

        def closed() -> None:
            loop.remove_reader(self._socket)
            stop()

        # The supervisor sends nothing: the socket becomes readable only at end of file.
        loop.add_reader(self._socket, closed)

    def report_ready(self, endpoints: Endpoints) -> None:
        """Report to the supervisor that this worker serves."""
        self._send({"ready": asdict(endpoints)})

    def report_problem(self, line: str) -> None:
        """Report to the supervisor why this worker can't start."""
        self._send({"problem": line})

    def _send(self, report: object) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(json.dumps(report).encode() + b"\n")


class SupervisorEnd:
    """The supervisor's end of the link. A context manager that closes the socket."""

    def __init__(self) -> None:
        """Open a link. The worker inherits `worker_descriptor`."""
        self._socket, self._worker_socket = socket.socketpair()

    @property
    def worker_descriptor(self) -> int:
        """The file descriptor of the worker's end."""
        return self._worker_socket.fileno()

    def close_worker_end(self) -> None:
        """Close this process's copy of the worker's end, once the worker has inherited it."""
        self._worker_socket.close()

    async def report(self) -> Endpoints | Problem | None:
        """Wait for the worker's line; None if the worker ended without a line."""
        self._socket.setblocking(False)
        received = b""
        while not received.endswith(b"\n"):
            part = await asyncio.get_running_loop().sock_recv(self._socket, 65_536)
            if not part:
                return None
            received += part
        report = json.loads(received)
        return Endpoints(**report["ready"]) if "ready" in report else Problem(report["problem"])

    def __enter__(self) -> Self:
        """Return the open link."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close both ends of the link."""
        self._worker_socket.close()
        self._socket.close()
