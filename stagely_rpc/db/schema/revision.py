"""The schema revision that this version of the code needs. The server reads it without alembic."""

from __future__ import annotations

from pathlib import Path


class NotInstalledError(Exception):
    """The migrations were not found."""


def migrations_directory() -> Path:
    """Return the directory of `env.py` and the revisions: in the installed package, or at the top of a source tree.

    Raises:
        NotInstalledError: it is in neither place.
    """
    package = Path(__file__).resolve().parent.parent.parent
    for directory in (package / "_migrations", package.parent / "migrations"):
        if (directory / "env.py").is_file():
            return directory
    raise NotInstalledError("the migrations are not installed")


def needed_revision() -> str:
    """Return the newest revision. The file name of a revision starts with its number.

    Raises:
        NotInstalledError: there are no revisions.
    """
    return max(path.name.partition("_")[0] for path in migrations_directory().glob("versions/[0-9]*_*.py"))
