"""Which revision of the database's schema this version of the code needs; what serves knows it without alembic."""

from __future__ import annotations

from pathlib import Path


class NotInstalledError(Exception):
    """The migrations are not where they should be."""


def migrations_directory() -> Path:
    """Return where `env.py` and the revisions are: inside an installed package, or at the top of a source tree.

    Raises:
        NotInstalledError: they are in neither.
    """
    package = Path(__file__).resolve().parent.parent.parent
    for directory in (package / "_migrations", package.parent / "migrations"):
        if (directory / "env.py").is_file():
            return directory
    raise NotInstalledError("the migrations are not installed")


def needed_revision() -> str:
    """Return the newest revision: they are numbered, and their files begin with their numbers.

    Raises:
        NotInstalledError: there are none.
    """
    return max(path.name.partition("_")[0] for path in migrations_directory().glob("versions/[0-9]*_*.py"))
