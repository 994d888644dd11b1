"""Values that are reloaded when their files change, without a restart. A broken file changes nothing."""

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
LOOK_EVERY_SECONDS = 1.0

_log = structlog.get_logger(__name__)

Value = TypeVar("Value")


def contents_of(path: Path) -> bytes:
    """Return what is in a file, whose size is bounded.

    Raises:
        OSError: it can't be read, is no regular file (a pipe would be waited for), or is too large.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    with path.open("rb") as file:
        contents = file.read(MAX_FILE_BYTES + 1)
    if len(contents) > MAX_FILE_BYTES:
        raise OSError(errno.EFBIG, "file too large")
    return contents


class Reloading(Generic[Value]):
    """A value that follows the files it is made of, as far as they are good.

    Attributes:
        value: made of the newest files that were good.
    """

    def __init__(self, files: Sequence[Path], load: Callable[[], Value], *, fault: type[Exception], what: str) -> None:
        """Load the value for the first time.

        Args:
            files: what to look at for changes.
            load: makes the value of the files, or raises.
            fault: an error of `load` whose text is fit for the log.
            what: the name of the value in the log.
        """
        self._files = files
        self._load = load
        self._fault = fault
        self._what = what
        # Before loading, here and in `look`: what changes in between is seen at the next look.
        self._in_use = self._fingerprint()
        self._refused: tuple[tuple[bytes, ...], str] | None = None
        self.value = load()

    def look(self) -> None:
        """Reload the value if its files have changed. On an error, keep the value and log the error once."""
        seen = self._fingerprint()
        if seen == self._in_use:
            self._refused = None
            return
        try:
            self.value = self._load()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a file, what is in use stays in use
            self._refuse(seen, str(error) if isinstance(error, self._fault) else type(error).__name__)
            return
        self._in_use, self._refused = seen, None
        _log.info("reloaded", what=self._what, files=self._names())

    def _refuse(self, seen: tuple[bytes, ...], why: str) -> None:
        if self._refused != (seen, why):
            _log.error("not reloaded, the old one stays in use", what=self._what, files=self._names(), reason=why)
        self._refused = (seen, why)

    def _fingerprint(self) -> tuple[bytes, ...]:
        # Of what is in them: a time of change may be the same for two changes in a row.
        return tuple(_digest(path) for path in self._files)

    def _names(self) -> list[str]:
        return [str(path) for path in self._files]


def _digest(path: Path) -> bytes:
    try:
        return hashlib.sha256(contents_of(path)).digest()
    except OSError as error:
        return str(error.errno).encode()


class Watch:
    """Looks at something every so often, in a thread of its own: no call, no handshake and no end waits for a disk."""

    def __init__(self, look: Callable[[], None], *, every_seconds: float, name: str) -> None:
        self._look = look
        self._every_seconds = every_seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Look from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(self._every_seconds):
            self._look()
