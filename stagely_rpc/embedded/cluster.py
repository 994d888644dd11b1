"""A PostgreSQL cluster on disk and its server process: initdb, start, stop, and cleanup after a killed process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stagely_rpc.embedded.account import Account

POSTGRES_MAJOR = 18
START_SECONDS = 60.0
STOP_SECONDS = 60.0

_POLL_SECONDS = 0.01
_ORPHANS_SECONDS = 10.0
_PID_FILE_LINES = 8
_ORPHANS = "shared memory block"
# The programs don't inherit our environment: variables such as PGPORT, PGDATA and LC_ALL would affect them.
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
_INITDB = (
    *(
        "--username=postgres",
        "--auth-local=trust",
        "--auth-host=reject",
        "--encoding=UTF8",
        "--locale=C",
    ),
    *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"),
)


class ClusterError(Exception):
    """The cluster cannot be created, started or stopped. The message is one line for the user."""


@dataclass(frozen=True)
class Postmaster:
    """A server process that we started."""

    process: subprocess.Popen[bytes]
    log: Path

    def stop(self) -> None:
        """Request a fast shutdown and wait for it. Does nothing if the process has ended.

        Raises:
            ClusterError: the server still runs after `STOP_SECONDS`.
        """
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired as late:
            raise ClusterError(f"postgresql (pid {self.process.pid}) does not stop, see {self.log}") from late


@dataclass(frozen=True)
class Cluster:
    """The cluster in `directory`/data, run by `account` with the programs in `programs`.

    Only one process at a time may use it: the caller must hold a lock on the folder.
    """

    programs: Path
    directory: Path
    account: Account

    @property
    def data(self) -> Path:
        """PostgreSQL's data folder."""
        return self.directory / "data"

    @property
    def log(self) -> Path:
        """What the server writes."""
        return self.directory / "postgres.log"

    def initialise(self, *, sync: bool) -> None:
        """Create the cluster if there is none. An interrupted attempt has no effect: the next one starts over.

        Raises:
            ClusterError: the cluster has another major version, or initdb fails.
        """
        if self.data.exists():
            self._check_version()
            return
        draft = self.directory / "data.new"
        if draft.exists():
            shutil.rmtree(draft)
        arguments = (*_INITDB, "--pgdata", str(draft)) if sync else (*_INITDB, "--no-sync", "--pgdata", str(draft))
        with self._spawn("initdb", *arguments, output=subprocess.PIPE) as initdb:
            output, _ = initdb.communicate()
        if initdb.returncode:
            raise ClusterError(f"initdb failed in {self.directory}: {_error_line(output)}")
        draft.rename(self.data)

    def start(self, settings: Mapping[str, str]) -> Postmaster:
        """Start the server and wait until it accepts connections, including crash recovery.

        Raises:
            ClusterError: the server does not start, or is not ready after `START_SECONDS`.
        """
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.1"))
        deadline = time.monotonic() + _ORPHANS_SECONDS
        while True:
            try:
                return self._start_once(settings)
            except _OrphansError:
                # Children of a killed postmaster exit when they notice its end. Until then, no server can start.
                if time.monotonic() > deadline:
                    raise
                time.sleep(10 * _POLL_SECONDS)

    def stop_leftover(self) -> None:
        """Stop the server that a killed process left behind.

        Raises:
            ClusterError: the server still runs after `STOP_SECONDS`.
        """
        pid = self._pid_on_file()
        if pid is None or not Path(f"/proc/{pid}").exists():
            return
        if str(self.data) in _command_line(pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
            if not _within(STOP_SECONDS, lambda: self._pid_on_file() != pid or not _command_line(pid)):
                raise ClusterError(f"the postgresql of a killed process (pid {pid}) does not stop, see {self.log}")
        if self._pid_on_file() == pid:
            # The pid belongs to a dying process, a zombie, or another program that got the dead server's pid.
            # PostgreSQL would mistake that process for the server.
            for file in (self._pid_file, *self.directory.glob(".s.PGSQL.*.lock")):
                file.unlink(missing_ok=True)

    @property
    def _pid_file(self) -> Path:
        return self.data / "postmaster.pid"

    def _pid_on_file(self) -> int | None:
        lines = self._pid_lines()
        return int(lines[0]) if lines else None

    def _pid_lines(self) -> list[str]:
        with suppress(FileNotFoundError):
            return self._pid_file.read_text(encoding="utf-8").splitlines()
        return []

    def _check_version(self) -> None:
        version_file = self.data / "PG_VERSION"
        found = version_file.read_text(encoding="ascii").strip() if version_file.exists() else "unknown"
        if found != str(POSTGRES_MAJOR):
            raise ClusterError(
                f"{self.data} has data of postgresql {found}, this is postgresql {POSTGRES_MAJOR}: "
                "dump it with that version, or use another folder"
            )

    def _start_once(self, settings: Mapping[str, str]) -> Postmaster:
        options = [f"--{name}={value}" for name, value in settings.items()]
        with self.log.open("ab") as log:
            process = self._spawn("postgres", "-D", str(self.data), *options, output=log.fileno())
        try:
            self._await_ready(process)
        except BaseException:
            process.send_signal(signal.SIGQUIT)
            process.wait()
            raise
        return Postmaster(process, self.log)

    def _await_ready(self, process: subprocess.Popen[bytes]) -> None:
        def settled() -> bool:
            return process.poll() is not None or self._is_ready(process.pid)

        if not _within(START_SECONDS, settled):
            raise ClusterError(f"postgresql is not ready after {START_SECONDS:.0f} s, see {self.log}")
        if process.returncode is None:
            return
        error_line = _error_line(self.log.read_bytes())
        failure = _OrphansError if _ORPHANS in error_line else ClusterError
        raise failure(f"postgresql does not start, see {self.log}: {error_line}")

    def _is_ready(self, pid: int) -> bool:
        lines = self._pid_lines()
        return len(lines) == _PID_FILE_LINES and lines[0] == str(pid) and lines[-1].strip() == "ready"

    def _spawn(self, program: str, *arguments: str, output: int) -> subprocess.Popen[bytes]:
        """Run a program in its own session, so that the terminal's Ctrl-C does not reach it."""
        return subprocess.Popen(
            (self.programs / program, *arguments),
            cwd="/",
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=self.account.uid,
            group=self.account.gid,
            extra_groups=self.account.extra_groups,
            umask=0o077,
        )


class _OrphansError(ClusterError):
    """Children of a killed postmaster still use the cluster's memory."""


def _within(seconds: float, done: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _command_line(pid: int) -> list[str]:
    """Return the arguments of a live process, or nothing if the process has ended, even if it is not reaped yet."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="surrogateescape").split("\0")[:-1]
    return []


def _error_line(output: bytes) -> str:
    """Return the last FATAL or PANIC line, or else the last line. PostgreSQL often logs more lines after the error."""
    lines = output.decode(errors="replace").strip().splitlines() or ["no output"]
    return next(
        (line for line in reversed(lines) if "FATAL:" in line or "PANIC:" in line),
        lines[-1],
    )
