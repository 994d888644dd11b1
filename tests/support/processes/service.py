"""Runs the command line in real processes, as operators do."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.leaks import HUNT
from tests.support.secret_markers import ENCRYPTION_KEY, marked_password

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[3]
STAGELY_RPC = Path(sys.executable).with_name("stagely-rpc")
KEY = ENCRYPTION_KEY.hex()
LISTENING = re.compile(r"(?=.*listening).*address[\"=:]+([\w.]+:\d+)")
START_SECONDS = 30


def environment(**overrides: str) -> dict[str, str]:
    """Return the environment of a process: the given settings, and this process's search path, home and language."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return inherited | overrides


def settings_for(database_url: str, **overrides: str) -> dict[str, str]:
    given = {
        "DATABASE_URL": database_url,
        "REDIS_URL": f"redis://:{marked_password('redis')}@127.0.0.1:1",
        "ENCRYPTION_KEY": KEY,
        "HOST": "127.0.0.1",
        "PORT": "0",
        "DATABASE_POOL_SIZE": "5",
        "SHUTDOWN_PAUSE_SECONDS": "0",
    }
    return environment(**(given | overrides))


def run(*arguments: str, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a command of `stagely-rpc` to its end. Search its output for secrets."""
    command = [str(STAGELY_RPC), *arguments]
    ended = subprocess.run(
        command, env=dict(env or environment()), cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )
    HUNT.search(f"output of {' '.join(arguments[:2])}", ended.stdout + ended.stderr)
    return ended


class Running:
    """A serving process: its address, and its output line by line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._unread: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.address = ""

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            self._unread.put(line)
        self._unread.put(None)

    def wait_until_it_listens(self) -> None:
        self.address = self.wait_for(LISTENING)

    def wait_for(self, pattern: str | re.Pattern[str]) -> str:
        """Read lines until one matches, and return the pattern's group. The next wait reads on from there."""
        while True:
            line = self._unread.get(timeout=START_SECONDS)
            assert line is not None, "\n".join([f"ended without a line that matches {pattern!r}:", *self.lines])
            if found := re.search(pattern, line):
                return found[1]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait for the end, and return the exit code."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        code = self.process.wait(timeout=30)
        self._reader.join(timeout=5)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@contextmanager
def serving(
    command: Sequence[str], env: Mapping[str, str], cwd: Path = ROOT, *, program: Path = STAGELY_RPC
) -> Iterator[Running]:
    """Run a command that serves. It listens when the block starts, and is stopped when the block ends.

    Its output is searched for secrets.
    """
    process = subprocess.Popen(
        [str(program), *command],
        env=dict(env),
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    running = Running(process)
    try:
        running.wait_until_it_listens()
        yield running
    finally:
        if process.poll() is None:
            process.terminate()
        running.wait()
        HUNT.search(f"output of {' '.join(command)}", "\n".join(running.lines))
