"""Another revision of this repository, in a checkout of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmarks.machine import git
from benchmarks.processes import BenchmarkError, python_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def checked_out(revision: str, directory: Path) -> Iterator[Path]:
    """Check a revision out as a git worktree, and remove it afterwards.

    Raises:
        BenchmarkError: there is no such revision.
    """
    checkout = directory / "revision"
    git("worktree", "add", "--detach", str(checkout), revision)
    try:
        yield checkout
    finally:
        git("worktree", "remove", "--force", str(checkout))


def migrate(checkout: Path, database_url: str) -> None:
    """Migrate a database with the code of a checkout.

    Raises:
        BenchmarkError: the migration failed.
    """
    environment = {**os.environ, **python_path(checkout), "DATABASE_URL": database_url}
    migration = subprocess.run(
        [sys.executable, "-m", "stagely_rpc", "migrate", "up"],
        cwd=checkout,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    if migration.returncode:
        raise BenchmarkError(f"{checkout.name} can't migrate its database: {migration.stdout}{migration.stderr}")
