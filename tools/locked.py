"""Resolve the lock files. With --check, only check that they match pyproject.toml.

They are requirements files with hashes, for every platform and every supported Python. They name no package index, so
pip uses the one that it is configured with.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = {
    "requirements.lock": ["--extra", "server"],
    "requirements-dev.lock": ["--all-extras", "--group", "dev"],
}
OPTIONS = ["--universal", "--python-version=3.11", "--generate-hashes", "--no-header", "--quiet"]


def resolve(name: str, output: Path, *, upgrade: bool) -> None:
    """Write a lock file. Without `upgrade`, keep the locked versions that still fit."""
    command = [sys.executable, "-m", "uv", "pip", "compile", *OPTIONS, *LOCKS[name], "--output-file", str(output)]
    subprocess.run([*command, *(["--upgrade"] if upgrade else []), "pyproject.toml"], cwd=ROOT, check=True)


def is_current(name: str) -> bool:
    """Return whether a lock file is current: resolving again from its versions changes nothing."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / name
        locked = (ROOT / name).read_text()
        copy.write_text(locked)
        resolve(name, copy, upgrade=False)
        return copy.read_text() == locked


if __name__ == "__main__":
    if "--check" not in sys.argv:
        for lock in LOCKS:
            resolve(lock, ROOT / lock, upgrade=True)
    elif stale := [lock for lock in LOCKS if not is_current(lock)]:
        sys.exit(f"{', '.join(stale)}: does not match pyproject.toml: run `make lock`")
