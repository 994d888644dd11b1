"""The machine and the versions of a run."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil
import psycopg

from benchmarks.processes import ROOT, BenchmarkError

_PACKAGES = ("grpcio", "protobuf", "psycopg", "sqlalchemy", "uvloop", "orjson", "cryptography", "pydantic")
_CPU_MODEL = re.compile(r"^model name\s*: (.+)$", re.MULTILINE)
_BYTES_PER_GIB = 2**30


def machine(database_url: str) -> dict[str, str]:
    """Return hardware, system and versions."""
    with psycopg.connect(database_url) as connection:
        postgresql = str(connection.info.parameter_status("server_version"))
    return {
        "cpu": _cpu_model(),
        "cores": str(os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / _BYTES_PER_GIB:.0f} GiB",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "postgresql": postgresql,
        **{package: version(package) for package in _PACKAGES},
    }


def commit() -> tuple[str, bool]:
    """Return the commit of this checkout, and whether it has uncommitted changes."""
    return git("rev-parse", "--short=10", "HEAD"), bool(git("status", "--porcelain"))


def git(*arguments: str) -> str:
    """Return the output of a git command in this checkout.

    Raises:
        BenchmarkError: the command failed.
    """
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=False, capture_output=True, text=True)  # noqa: S607
    if done.returncode:
        raise BenchmarkError(done.stderr.strip())
    return done.stdout.strip()


def _cpu_model() -> str:
    described = Path("/proc/cpuinfo")
    found = _CPU_MODEL.search(described.read_text()) if described.exists() else None
    return found[1] if found else platform.processor()
