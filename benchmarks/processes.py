"""The processes of a run: a server each, alone on the first CPU, and everything else on the others."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import orjson
import psycopg
from psycopg import sql

from benchmarks.pool import POOL_SIZE
from stagely_rpc.db.schema import migrations
from stagely_rpc.embedded import postgres as embedded
from stagely_rpc.identity.tokens import mint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 60.0
# One for the run: servers that follow on each other over one database must read what it holds.
ENCRYPTION_KEY = secrets.token_bytes(32)

# Of all servers of a run together.
_MAX_CONNECTIONS = "200"
_POSTGRESQL_15 = 150_000
_POLL_SECONDS = 0.002
_JWT_SECRET = secrets.token_hex(32)
_HOST = "127.0.0.1"
_CPUS = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []


class BenchmarkError(Exception):
    """Nothing can be measured, or what was measured is worth nothing."""


@dataclass(frozen=True)
class ServerProcess:
    """A running server.

    Attributes:
        target: host and port.
        pid: its process id.
        log: its log file, with JSON lines.
        metadata: the metadata that every call needs.
    """

    target: str
    pid: int
    log: Path
    metadata: tuple[tuple[str, str], ...] = ()

    def last_refusal(self) -> str:
        """Return the last line of the log about a call that did not end well, for people."""
        refusals = [line for line in self.log.read_bytes().splitlines(keepends=True) if _is_refusal(line)]
        return refusals[-1].decode().strip() if refusals else "the server logged nothing of it"


def _is_refusal(line: bytes) -> bool:
    if not line.startswith(b"{") or not line.endswith(b"\n"):
        return False
    return orjson.loads(line).get("code", "OK") not in ("OK", "CANCELLED")


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
def empty_database(directory: Path) -> Iterator[str]:
    """Run an embedded PostgreSQL as `stagely-rpc dev` does, and give its URL."""
    with embedded.start(directory / "postgres", settings={"max_connections": _MAX_CONNECTIONS}) as postgres:
        yield postgres.url


@contextmanager
def migrated_database(directory: Path) -> Iterator[str]:
    """Run one that is migrated."""
    with empty_database(directory) as url:
        migrations.upgrade(url)
        yield url


@contextmanager
def another_database(url: str, name: str, *, copied: bool = False) -> Iterator[str]:
    """Make another database beside one, empty or as its copy, and give its URL; nobody may be using what is copied."""
    source = sql.Identifier(urlsplit(url).path[1:] if copied else "template1")
    with psycopg.connect(_beside(url, "postgres"), autocommit=True) as admin:
        # Through the log, which is the other way, a large database takes twice as long.
        strategy = sql.SQL("STRATEGY FILE_COPY" if admin.info.server_version >= _POSTGRESQL_15 else "")
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {} {}").format(sql.Identifier(name), source, strategy))
        try:
            yield _beside(url, name)
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _beside(url: str, name: str) -> str:
    return urlsplit(url)._replace(path=f"/{name}").geturl()


@contextmanager
def stagely_server(
    database_url: str, directory: Path, *, name: str = "server", root: Path = ROOT, **settings: str
) -> Iterator[ServerProcess]:
    """Run the service as in production.

    Args:
        database_url: its database.
        directory: the directory of its log.
        name: the name of its log.
        root: the checkout of the service.
        settings: settings that differ from the defaults.
    """
    production = {"ENVIRONMENT": "production", "JWT_SECRET": _JWT_SECRET}
    environment = _settings(database_url) | production | settings | python_path(root)
    token = mint(_JWT_SECRET.encode(), subject="benchmark", permissions=["*"], ttl=timedelta(days=1))
    metadata = (("authorization", f"Bearer {token}"),)
    with _running(["stagely_rpc", "serve"], environment, directory / f"{name}.log", root) as (process, target):
        yield ServerProcess(target, process.pid, directory / f"{name}.log", metadata)


@contextmanager
def open_server(database_url: str, directory: Path) -> Iterator[ServerProcess]:
    """Run the service with authentication off, and all else as in production."""
    log = directory / "open.log"
    with _running(["benchmarks.open"], _settings(database_url), log) as (process, target):
        yield ServerProcess(target, process.pid, log)


@contextmanager
def floor_server(conninfo: str, directory: Path) -> Iterator[ServerProcess]:
    """Run the server of the floors."""
    log = directory / "floors.log"
    with _running(["benchmarks.floors"], {"DATABASE_URL": conninfo}, log) as (process, target):
        yield ServerProcess(target, process.pid, log)


@contextmanager
def peer_server(conninfo: str, directory: Path) -> Iterator[ServerProcess]:
    """Run the peer."""
    log = directory / "peer.log"
    with _running(["benchmarks.peer"], {"DATABASE_URL": conninfo}, log) as (process, target):
        yield ServerProcess(target, process.pid, log)


def python_path(root: Path) -> dict[str, str]:
    """Return the setting by which Python imports what is in a checkout."""
    return {"PYTHONPATH": os.pathsep.join([str(root), str(root / "gen")])}


def _settings(database_url: str) -> dict[str, str]:
    return {
        "DATABASE_URL": database_url,
        "REDIS_URL": "redis://127.0.0.1:6379",
        "ENCRYPTION_KEY": ENCRYPTION_KEY.hex(),
        "DATABASE_POOL_SIZE": str(POOL_SIZE),
        "LOG_LEVEL": "info",
        "METRICS_PORT": "0",
        "HOST": _HOST,
    }


@contextmanager
def _running(
    module: Sequence[str], settings: Mapping[str, str], log: Path, root: Path = ROOT
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    port = _free_port()
    environment = {**os.environ, **settings, "PORT": str(port)}
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-m", *module], cwd=root, env=environment, stderr=output)
    # Threads inherit it from the first one, and so early there is no other.
    _move_to(process.pid, set(_CPUS[:1]))
    try:
        _wait_until_it_listens(process, port, log)
        yield process, f"{_HOST}:{port}"
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    # A server at log level warn does not say where it listens.
    with socket.create_server((_HOST, 0)) as taken:
        return int(taken.getsockname()[1])


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection((_HOST, port)).close()
        except ConnectionRefusedError:
            time.sleep(_POLL_SECONDS)
        else:
            return
    raise BenchmarkError(f"the server of {log.name} does not start (exit code {process.poll()}): {log.read_text()}")


def _move_to(pid: int, cpus: set[int]) -> None:
    if sys.platform == "linux" and len(_CPUS) > 1:
        os.sched_setaffinity(pid, cpus)
