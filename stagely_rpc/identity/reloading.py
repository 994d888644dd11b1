"""Values that are reloaded when their files change, without a restart. If a file is invalid, the old value stays."""

from __future__ import annotations

import errno
import hashlib
import stat
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

MAX_FILE_BYTES = 1024 * 1024
CHECK_INTERVAL_SECONDS = 1.0

_log = structlog.get_logger(__name__)

Value = TypeVar("Value")


def read_regular_file(path: Path) -> bytes:
    """Return the contents of a regular file of at most 1 MiB. Reading a pipe could block.

    Raises:
        OSError: the file can't be read, is not a regular file, or is too large.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    with path.open("rb") as file:
        contents = file.read(MAX_FILE_BYTES + 1)
    if len(contents) > MAX_FILE_BYTES:
        raise OSError(errno.EFBIG, "file too large")
    return contents


class ReloadedValue(Generic[Value]):
    """A value that is loaded from files and follows their changes.

    Attributes:
        value: the value from the last valid version of the files.
    """

    def __init__(
        self, files: Sequence[Path], load: Callable[[], Value], *, load_error: type[Exception], name: str
    ) -> None:
        """Load the value for the first time.

        Args:
            files: the files to check for changes.
            load: loads the value from the files, or raises.
            load_error: the error of `load` whose text may be logged. Of other errors, only the type is logged.
            name: the name of the value in the log.
        """
        self._files = files
        self._load = load
        self._load_error = load_error
        self._name = name
        # Computed before loading, here and in `check`: the next check then sees a change that happens while loading.
        self._loaded = self._fingerprint()
        self._failure: tuple[tuple[bytes, ...], str] | None = None
        self.value = load()

    def check(self) -> None:
        """Reload the value if its files have changed. On an error, keep the value and log the error once."""
        seen = self._fingerprint()
        if seen == self._loaded:
            self._failure = None
            return
        try:
            self.value = self._load()
        except Exception as error:  # noqa: BLE001 - on any error, the old value stays in use
            self._note_failure(seen, str(error) if isinstance(error, self._load_error) else type(error).__name__)
            return
        self._loaded, self._failure = seen, None
        _log.info("reloaded", what=self._name, files=self._file_names())

    def _note_failure(self, seen: tuple[bytes, ...], why: str) -> None:
        if self._failure != (seen, why):
            _log.error(
                "reload failed: the previous version stays in use",
                what=self._name,
                files=self._file_names(),
                reason=why,
            )
        self._failure = (seen, why)

    def _fingerprint(self) -> tuple[bytes, ...]:
        # Hashes of the contents: two changes in a row can have the same modification time.
        return tuple(_digest(path) for path in self._files)

    def _file_names(self) -> list[str]:
        return [str(path) for path in self._files]


def _digest(path: Path) -> bytes:
    try:
        return hashlib.sha256(read_regular_file(path)).digest()
    except OSError as error:
        return str(error.errno).encode()


class Watcher:
    """Calls a check at an interval, in its own thread: a slow disk delays no call, no handshake and no shutdown."""

    def __init__(self, check: Callable[[], None], *, interval_seconds: float, name: str) -> None:
        self._check = check
        self._interval_seconds = interval_seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start calling the check."""
        self._thread.start()

    def stop(self) -> None:
        """Stop calling the check, without waiting for the thread."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(self._interval_seconds):
            self._check()
