"""Errors that the user can fix: one line for each on standard error, and exit code 2."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

USAGE_ERROR = 2


@contextmanager
def reported(*expected: type[Exception]) -> Iterator[None]:
    """Report the expected errors, and errors in the settings, without a traceback."""
    try:
        yield
    except expected as error:
        give_up(str(error))
    except Exception as error:
        from stagely_rpc.settings.model import SettingsError  # noqa: PLC0415

        if not isinstance(error, SettingsError):
            raise
        give_up(*error.lines)


def give_up(*lines: str) -> NoReturn:
    """Print the lines and exit with code 2."""
    for line in lines:
        typer.echo(f"stagely-rpc: {line}", err=True)
    raise typer.Exit(USAGE_ERROR)
