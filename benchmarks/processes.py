"""The processes of a run: a server each, alone on the first CPU, and everything else on the others."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from stagely_rpc import embedded
from stagely_rpc.db import migrations
from stagely_rpc.identity.tokens import mint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

START_SECONDS = 30.0

_POLL_SECONDS = 0.002
# One for the run: servers that follow on each other over one database must read what it holds.
_ENCRYPTION_KEY = secrets.token_hex(32)
_JWT_SECRET = secrets.token_hex(32)
_ROOT = Path(__file__).resolve().parents[1]
_CPUS = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []


class BenchmarkError(Exception):
    """Nothing can be measured, or what was measured is worth nothing."""


@dataclass
class ServerProcess:
    """A running server.

    Attributes:
        target: host and port.
        pid: of its process.
        metadata: what every call must carry.
        log: what it writes to standard error, a JSON object a line.
    """

    target: str
    pid: int
    log: Path
    metadata: tuple[tuple[str, str], ...] = ()
    _read: int = 0

    def refusals(self) -> list[str]:
        """Return the log lines since the last time of calls that did not end well; a caller may have gone."""
        with self.log.open("rb") as log:
            log.seek(self._read)
            lines = log.read().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith(b"\n")]
        self._read += sum(map(len, whole))
        return [line.decode() for line in whole if b'"code":"OK"' not in line and _is_refusal(line)]


def _is_refusal(line: bytes) -> bool:
    entry = orjson.loads(line)
    return bool(entry["event"] == "call" and entry["code"] != "CANCELLED")


@contextmanager
def working_directory() -> Iterator[Path]:
    """Give a directory for this run, and leave the first CPU to the servers."""
    _move_to(0, set(_CPUS[1:]))
    try:
        with tempfile.TemporaryDirectory(prefix="stagely-") as directory:
            yield Path(directory)
    finally:
        _move_to(0, set(_CPUS))


@contextmanager
def migrated_database(directory: Path) -> Iterator[str]:
    """Run an embedded PostgreSQL as `stagely-rpc dev` does, migrated, and give its URL."""
    with embedded.start(directory / "postgres") as postgres:
        migrations.upgrade(postgres.url)
        yield postgres.url


@contextmanager
def stagely_server(database_url: str, directory: Path) -> Iterator[ServerProcess]:
    """Run the service as in production."""
    settings = _settings(database_url)
    token = mint(_JWT_SECRET.encode(), subject="benchmark", permissions=["*"], ttl=timedelta(days=1))
    settings |= {"ENVIRONMENT": "production", "JWT_SECRET": _JWT_SECRET}
    with _running(["stagely_rpc", "serve"], settings, directory / "server.log") as server:
        server.metadata = (("authorization", f"Bearer {token}"),)
        yield server


@contextmanager
def open_server(database_url: str, directory: Path, **overrides: str) -> Iterator[ServerProcess]:
    """Run the service with authentication off, and all else as in production."""
    settings = _settings(database_url) | overrides
    with _running(["benchmarks.open"], settings, directory / "open.log") as server:
        yield server


def _settings(database_url: str) -> dict[str, str]:
    return {
        "DATABASE_URL": database_url,
        "REDIS_URL": "redis://127.0.0.1:6379",
        "ENCRYPTION_KEY": _ENCRYPTION_KEY,
        "LOG_LEVEL": "info",
        "HOST": "127.0.0.1",
        "PORT": "0",
    }


@contextmanager
def floor_server(database_url: str, directory: Path) -> Iterator[ServerProcess]:
    """Run the server of the floors."""
    with _running(["benchmarks.floors"], {"DATABASE_URL": database_url}, directory / "floors.log") as server:
        yield server


@contextmanager
def _running(module: list[str], settings: Mapping[str, str], log: Path) -> Iterator[ServerProcess]:
    log.parent.mkdir(exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *module], cwd=_ROOT, env={**os.environ, **settings}, stderr=output
        )
    # Threads inherit it from the first one, and so early there is no other.
    _move_to(process.pid, set(_CPUS[:1]))
    try:
        yield ServerProcess(_address(process, log), process.pid, log)
    finally:
        process.terminate()
        process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait for the line that says where a server listens."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        for line in log.read_bytes().splitlines(keepends=True):
            if b'"listening"' in line and line.endswith(b"\n"):
                return str(orjson.loads(line)["address"])
        time.sleep(_POLL_SECONDS)
    raise BenchmarkError(f"the server does not start: {log.read_text()}")


def _move_to(pid: int, cpus: set[int]) -> None:
    if sys.platform == "linux" and len(_CPUS) > 1:
        os.sched_setaffinity(pid, cpus)
