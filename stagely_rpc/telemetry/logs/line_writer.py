"""Lines on their way out of the process: written by a thread, in batches, so that no call waits for who reads them."""

from __future__ import annotations

import atexit
import os
import queue
import select
import stat
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

INTERVAL_SECONDS = 0.05
MAX_WAITING_BYTES = 8 * 1024 * 1024
CLOSE_SECONDS = 5.0

_CHUNK_BYTES = 64 * 1024
# POSIX: writes of several processes to one pipe do not mix, up to this size.
_PIPE_CHUNK_BYTES = select.PIPE_BUF


class LineWriter:
    """Writes lines to a file descriptor, whole and in their order.

    The first line after a pause goes out at once, those that follow it within 50 ms, together. Where nobody reads, as
    at a full pipe, up to 8 MiB wait. What comes then is dropped and counted, and a line says how many were, as soon as
    there is room again. Everything that waits is written when the interpreter ends, by an exception too; a signal that
    ends the process at once takes the last 50 ms with it.

    Attributes:
        dropped: how many lines were dropped since the start.
    """

    def __init__(self, descriptor: int, dropped: Callable[[int], bytes]) -> None:
        """Start the thread.

        Args:
            descriptor: of the file, which may block.
            dropped: makes the line that says how many were dropped.
        """
        self._descriptor = descriptor
        is_pipe = stat.S_ISFIFO(os.fstat(descriptor).st_mode)
        self._chunk_bytes = _PIPE_CHUNK_BYTES if is_pipe else _CHUNK_BYTES
        self._dropped_line = dropped
        # Reentrant: the collector may run a finalizer that logs, in the midst of `put`.
        self._lock = threading.RLock()
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._dropped = 0
        self.dropped = 0
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lines", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def put(self, line: bytes) -> None:
        """Have a line written, newline included; from any thread."""
        with self._lock:
            if self._waiting_bytes >= MAX_WAITING_BYTES:
                self._dropped += 1
                self.dropped += 1
                return
            self._waiting_bytes += len(line)
            self._waiting.append(line)
            is_first = len(self._waiting) == 1
        if is_first:
            self._wake.put(None)
        if self._closing.is_set() and not self._thread.is_alive():
            self._write_waiting()

    def close(self, timeout_seconds: float = CLOSE_SECONDS) -> None:
        """Write what waits, for as long as somebody may read it; lines that still come are written as they come."""
        atexit.unregister(self.close)
        self._closing.set()
        self._wake.put(None)
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.get()
            self._write_waiting()
            self._closing.wait(INTERVAL_SECONDS)
        self._write_waiting()

    def _write_waiting(self) -> None:
        for chunk in _chunks(self._take(), self._chunk_bytes):
            self._write(chunk)

    def _take(self) -> list[bytes]:
        with self._lock:
            lines, dropped = self._waiting, self._dropped
            self._waiting, self._waiting_bytes, self._dropped = [], 0, 0
        if dropped:
            lines.append(self._dropped_line(dropped))
        return lines

    def _write(self, chunk: bytes) -> None:
        rest = memoryview(chunk)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                # Another process has made what it shares with this one not block.
                select.select([], [self._descriptor], [])
            except OSError:
                # Nobody can read it any more; the service goes on.
                return


def _chunks(lines: Iterable[bytes], chunk_bytes: int) -> Iterator[bytes]:
    """Join lines up to what is written at once: whole ones, because other processes may write to the same file."""
    chunk: list[bytes] = []
    size = 0
    for line in lines:
        if chunk and size + len(line) > chunk_bytes:
            yield b"".join(chunk)
            chunk, size = [], 0
        chunk.append(line)
        size += len(line)
    if chunk:
        yield b"".join(chunk)
