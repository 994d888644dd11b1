"""Server processes. If the tests run as root, they start as another user: PostgreSQL and PgBouncer refuse root."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg

from stagely_rpc.embedded.account import account_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stagely_rpc.embedded.account import Account

START_SECONDS = 60
STOP_SECONDS = 30


@contextmanager
def folder() -> Iterator[Path]:
    """Create a folder for one server, in memory if possible. Remove it at the end."""
    memory = "/dev/shm"  # noqa: S108 - the folder in it gets a random name
    parent = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="stagely-server-", dir=parent) as created:
        yield Path(created)


def own(*paths: Path, account: Account) -> None:
    """Make the account that a server runs as the owner of files and folders, recursively."""
    for path in paths:
        for each in (path, *path.rglob("*")):
            if account.uid is not None:
                os.chown(each, account.uid, account.gid or -1)


class Daemon:
    """A server process and its log."""

    def __init__(self, directory: Path) -> None:
        """Take the folder of the server."""
        self.account = account_for(directory)
        self.log = directory / f"{secrets.token_hex(4)}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, command: Sequence[str | Path]) -> None:
        """Run a command to its end."""
        process = self._spawn(command)
        assert process.wait(START_SECONDS) == 0, self.log.read_text()

    def start(self, command: Sequence[str | Path], url: str) -> None:
        """Start the server, and wait until it accepts connections at a URL."""
        self._process = self._spawn(command)
        deadline = time.monotonic() + START_SECONDS
        while not _answers(url):
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def stop(self, number: int) -> None:
        """Send a signal and wait for the end. Do nothing if the process has ended or was never started."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """Kill the process and its children, as a machine failure would."""
        assert self._process is not None
        parent = psutil.Process(self._process.pid)
        for process in (parent, *parent.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait(STOP_SECONDS)

    def _spawn(self, command: Sequence[str | Path]) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command,
                cwd="/",
                env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=self.account.uid,
                group=self.account.gid,
                extra_groups=self.account.extra_groups,
                umask=0o077,
            )


def copy(tree: Path, to: Path, *, account: Account) -> None:
    shutil.copytree(tree, to)
    own(to, account=account)


def _answers(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=START_SECONDS):
            return True
    except psycopg.OperationalError:
        return False
