"""Where real servers are found: what `.ci/postgresql` has fetched, and what the system's packages have installed.

Where one is missing, its tests are skipped and say so; on CI, where `CI` is set, they fail.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

POSTGRESQL = tuple(range(14, 19))
"""The major versions that are supported."""


def postgresql(major: int) -> Path:
    """Return the folder with the programs of a PostgreSQL."""
    programs = _folder() / str(major) / "bin"
    if not (programs / "postgres").exists():
        _missing(f"postgresql {major} is not in {programs}: `.ci/postgresql` fetches it")
    return programs


def pgbouncer() -> Path:
    """Return the program."""
    found = shutil.which("pgbouncer", path=f"{os.defpath}:/usr/sbin:/usr/local/sbin")
    return Path(found) if found else _missing("pgbouncer is not installed")


def _folder() -> Path:
    if given := os.environ.get("STAGELY_POSTGRESQL"):
        return Path(given)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return cache.expanduser() / "stagely-rpc-tools" / "postgresql"


def _missing(what: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)
