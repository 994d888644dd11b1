"""The line writer with a real pipe."""

from __future__ import annotations

import array
import fcntl
import os
import subprocess
import sys
import termios
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from stagely_rpc.telemetry.logs import line_writer
from stagely_rpc.telemetry.logs.line_writer import LineWriter
from tests.support.processes.service import ROOT, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

PIPE_BYTES = 64 * 1024
TOO_MANY = line_writer.MAX_WAITING_BYTES // 1000 + 1000


@dataclass
class Pipe:
    reader: int
    writer: int

    def read_to_the_end(self) -> list[bytes]:
        """Close the writing end, and return all remaining lines."""
        self.close_writer()
        with os.fdopen(self.reader, "rb") as file:
            self.reader = -1
            return file.read().splitlines()

    def close_reader(self) -> None:
        if self.reader >= 0:
            os.close(self.reader)
            self.reader = -1

    def close_writer(self) -> None:
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe(*os.pipe())
    yield pipe
    pipe.close_reader()
    pipe.close_writer()


@contextmanager
def reading(pipe: Pipe) -> Iterator[list[bytes]]:
    """Read lines while the block runs. After the block, the pipe is closed and the list has all lines."""
    found: list[bytes] = []
    file, pipe.reader = os.fdopen(pipe.reader, "rb"), -1

    def read() -> None:
        with file:
            found.extend(file.read().splitlines())

    reader = threading.Thread(target=read)
    reader.start()
    yield found
    pipe.close_writer()
    reader.join(timeout=10)


def writer_to(pipe: Pipe) -> LineWriter:
    return LineWriter(pipe.writer, lambda count: b"dropped %d\n" % count)


def wait_until_full(pipe: Pipe) -> None:
    """Wait until the pipe is full, so that the writer blocks in a write."""
    deadline = time.monotonic() + 5
    while unread(pipe) < PIPE_BYTES:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def unread(pipe: Pipe) -> int:
    size = array.array("i", [0])
    fcntl.ioctl(pipe.reader, termios.FIONREAD, size)
    return size[0]


def test_lines_are_written_whole_once_and_in_order(pipe: Pipe) -> None:
    writer = writer_to(pipe)
    sent = [b"%d %s" % (number, b"x" * (number % 700)) for number in range(20_000)]

    with reading(pipe) as found:
        for line in sent:
            writer.put(line + b"\n")
        writer.close()

    assert found == sent


def test_line_is_written_without_waiting_for_another(pipe: Pipe) -> None:
    writer = writer_to(pipe)

    for line in (b"first\n", b"second\n", b"third\n"):
        writer.put(line)
        assert os.read(pipe.reader, 100) == line

    writer.close()


def test_lines_of_several_threads_do_not_mix(pipe: Pipe) -> None:
    writer = writer_to(pipe)

    def put_all(letter: bytes) -> None:
        for _ in range(3000):
            writer.put(letter * 300 + b"\n")

    with reading(pipe) as found:
        threads = [threading.Thread(target=put_all, args=(letter,)) for letter in (b"a", b"b", b"c")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        writer.close()

    assert sorted(found) == sorted(letter * 300 for letter in (b"a", b"b", b"c") for _ in range(3000))


def test_lines_of_several_processes_do_not_mix(pipe: Pipe) -> None:
    program = """
import sys
from stagely_rpc.telemetry.logs.line_writer import LineWriter
writer = LineWriter(sys.stderr.fileno(), lambda count: b"dropped\\n")
for _ in range(10_000):
    writer.put(sys.argv[1].encode() * 300 + b"\\n")
"""
    letters = ["a", "b", "c"]
    env = environment(PYTHONPATH=str(ROOT))
    processes = [
        subprocess.Popen([sys.executable, "-c", program, each], env=env, stderr=pipe.writer) for each in letters
    ]

    with reading(pipe) as found:
        for process in processes:
            assert process.wait(timeout=60) == 0

    assert sorted(found) == sorted(letter.encode() * 300 for letter in letters for _ in range(10_000))


def test_stalled_reader_does_not_delay_put_and_dropped_lines_are_counted(pipe: Pipe) -> None:
    writer = writer_to(pipe)
    line = b"x" * 999 + b"\n"
    writer.put(line * 100)
    wait_until_full(pipe)

    began = time.monotonic()
    for _ in range(TOO_MANY):
        writer.put(line)
    took = time.monotonic() - began

    with reading(pipe) as found:
        writer.close()
    written = found.count(line[:-1]) - 100
    assert took < 2
    assert written <= line_writer.MAX_WAITING_BYTES // len(line) + 1
    assert found[-1] == b"dropped %d" % (TOO_MANY - written)
    assert writer.dropped == TOO_MANY - written


def test_writing_continues_when_the_reader_continues(pipe: Pipe) -> None:
    writer = writer_to(pipe)
    line = b"x" * 999 + b"\n"
    writer.put(line * 100)
    wait_until_full(pipe)
    for _ in range(TOO_MANY):
        writer.put(line)

    with reading(pipe) as found:
        time.sleep(0.5)
        writer.put(b"after\n")
        writer.close()

    assert found[-2].startswith(b"dropped ")
    assert found[-1] == b"after"


def test_close_gives_up_if_the_reader_stalls(pipe: Pipe) -> None:
    writer = writer_to(pipe)
    writer.put(b"x" * (2 * PIPE_BYTES) + b"\n")
    wait_until_full(pipe)

    began = time.monotonic()
    writer.close(timeout_seconds=0.2)

    assert 0.2 <= time.monotonic() - began < 2
    with reading(pipe) as found:
        writer.close()
    assert len(found) == 1


def test_line_after_close_is_written(pipe: Pipe) -> None:
    writer = writer_to(pipe)
    writer.put(b"before\n")
    writer.close()

    writer.put(b"after\n")

    assert pipe.read_to_the_end() == [b"before", b"after"]


def test_nonblocking_file_gets_every_line(pipe: Pipe) -> None:
    os.set_blocking(pipe.writer, False)
    writer = writer_to(pipe)
    for number in range(3000):
        writer.put(b"%0200d\n" % number)

    with reading(pipe) as found:
        writer.close()

    assert found == [b"%0200d" % number for number in range(3000)]


def test_writer_survives_a_closed_reader(pipe: Pipe) -> None:
    writer = writer_to(pipe)
    pipe.close_reader()

    for _ in range(3):
        writer.put(b"not read\n")
        time.sleep(2 * line_writer.INTERVAL_SECONDS)
    writer.close()

    assert not writer._thread.is_alive()
    assert writer._waiting == []


def test_finalizer_that_logs_during_put_does_not_deadlock(pipe: Pipe) -> None:
    writer = writer_to(pipe)

    class Interrupted(bytes):
        def __len__(self) -> int:
            writer.put(b"inner\n")
            return super().__len__()

    logging = threading.Thread(target=lambda: writer.put(Interrupted(b"outer\n")), daemon=True)
    logging.start()
    logging.join(timeout=5)

    assert not logging.is_alive()
    writer.close()
    assert set(pipe.read_to_the_end()) == {b"inner", b"outer"}
