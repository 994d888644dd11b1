"""Finds real servers: those that `.ci` has fetched, and those of the system's packages.

If a server is missing, its tests are skipped with a reason.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

POSTGRESQL = tuple(range(14, 19))
"""The supported major versions."""
TOO_OLD = 13
"""An unsupported major version."""


def postgresql(major: int) -> Path:
    """Return the folder with the programs of a major version."""
    programs = _folder() / str(major) / "bin"
    if not (programs / "postgres").exists():
        pytest.skip(f"postgresql {major} is not in {programs}: `.ci/postgresql` fetches it")
    return programs


def pgbouncer() -> Path:
    """Return the system's PgBouncer, of any version."""
    found = shutil.which("pgbouncer", path=f"{os.defpath}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip("pgbouncer is not installed")
    return Path(found)


def recent_pgbouncer() -> Path:
    """Return a PgBouncer that supports prepared statements."""
    program = _tools() / "pgbouncer-1.24"
    if not program.exists():
        pytest.skip(f"{program} is missing: `.ci/pgbouncer` builds it")
    return program


def _folder() -> Path:
    if given := os.environ.get("STAGELY_POSTGRESQL"):
        return Path(given)
    return _tools() / "postgresql"


def _tools() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return cache.expanduser() / "stagely-rpc-tools"
