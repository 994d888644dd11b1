"""Writes log lines in batches from a thread, so that no call waits for the log reader."""

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
# Up to this size, writes of several processes to one pipe do not interleave (POSIX).
_PIPE_CHUNK_BYTES = select.PIPE_BUF


class LineWriter:
    """Writes whole lines to a file descriptor, in order.

    The first line after a pause is written at once; lines of the next 50 ms are written together. If the reader
    stalls, up to 8 MiB are buffered. Further lines are dropped and counted, and a line reports their number when there
    is room again. The buffer is flushed when the interpreter exits, also after an exception. A signal that kills the
    process loses the lines of the last 50 ms.

    Attributes:
        dropped: the number of dropped lines since the start.
    """

    def __init__(self, descriptor: int, dropped: Callable[[int], bytes]) -> None:
        """Start the thread.

        Args:
            descriptor: the file descriptor, which may block.
            dropped: returns the line that reports a number of dropped lines.
        """
        self._descriptor = descriptor
        is_pipe = stat.S_ISFIFO(os.fstat(descriptor).st_mode)
        self._chunk_bytes = _PIPE_CHUNK_BYTES if is_pipe else _CHUNK_BYTES
        self._dropped_line = dropped
        # Reentrant, because garbage collection during `put` may run a finalizer that logs.
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
        """Queue a line, with its newline. Callable from any thread."""
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
        """Flush the buffer, if the reader keeps up. Write later lines immediately."""
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
                # Another process has made the shared file non-blocking.
                select.select([], [self._descriptor], [])
            except OSError:
                # The reader has gone. The service continues without logs.
                return


def _chunks(lines: Iterable[bytes], chunk_bytes: int) -> Iterator[bytes]:
    """Join whole lines up to the size of one write, because other processes may write to the same file."""
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
