"""`stagely-rpc migrate`: migrations of the database at DATABASE_URL."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from stagely_rpc.cli.problems import reported

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

app = typer.Typer(help="Migrate the schema of the database at DATABASE_URL.", no_args_is_help=True)


@app.command()
def up(revision: Annotated[str, typer.Argument(help="A revision, `head` or `+N`.")] = "head") -> None:
    """Apply revisions. Any number of processes may run this at the same time; each revision is applied once."""
    with _migrations() as migrations:
        _report("applied", migrations.upgrade(_url(), revision))


@app.command(context_settings={"ignore_unknown_options": True})
def down(revision: Annotated[str, typer.Argument(help="A revision, `base` or `-N`.")] = "-1") -> None:
    """Undo revisions. Without an argument, undo the last one."""
    with _migrations() as migrations:
        _report("undone", migrations.downgrade(_url(), revision))


@app.command()
def current() -> None:
    """Print the revision of the database and the revision that this version needs."""
    with _migrations() as migrations:
        typer.echo(f"{migrations.current_revision(_url()) or 'none'} (needed: {migrations.head_revision()})")


@app.command()
def create(name: Annotated[str, typer.Argument(help="What the revision does, in lower_snake_case.")]) -> None:
    """Write an empty revision with the next number into the source tree."""
    with _migrations() as migrations:
        typer.echo(migrations.create_revision(name))


@contextmanager
def _migrations() -> Iterator[ModuleType]:
    """Yield the migrations module, and report its errors."""
    from stagely_rpc.db.schema import migrations  # noqa: PLC0415

    with reported(migrations.MigrationError):
        yield migrations


def _url() -> str:
    from stagely_rpc.settings.model import DatabaseSettings, load  # noqa: PLC0415

    return load(DatabaseSettings).database_url.get_secret_value()


def _report(what: str, revisions: list[str]) -> None:
    typer.echo(f"{what}: {', '.join(revisions)}" if revisions else "nothing to do")
