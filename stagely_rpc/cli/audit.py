"""`stagely-rpc audit`: the audit log in the database at DATABASE_URL."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from stagely_rpc.cli.problems import give_up, reported

if TYPE_CHECKING:
    from stagely_rpc.audit.export import Selection

app = typer.Typer(help="Read the audit log in the database at DATABASE_URL.", no_args_is_help=True)


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


Time = Annotated[datetime | None, typer.Option(parser=_time, metavar="TIME", help="ISO 8601. Default time zone: UTC.")]


@app.callback()
def audit() -> None:
    """Read the audit log in the database at DATABASE_URL."""


@app.command()
def export(
    team: Annotated[uuid.UUID | None, typer.Option(help="Export only the entries of the team with this id.")] = None,
    since: Time = None,
    until: Time = None,
) -> None:
    """Write the entries as JSON lines, oldest first, each with its position in its chain. `--until` is exclusive."""
    from stagely_rpc.audit.export import Selection  # noqa: PLC0415
    from stagely_rpc.settings.model import DatabaseSettings, load  # noqa: PLC0415

    with reported():
        url = load(DatabaseSettings).database_url.get_secret_value()
    _write(url, Selection(team_id=team, since=since, until=until))


def _write(url: str, selection: Selection) -> None:
    import psycopg  # noqa: PLC0415

    from stagely_rpc.audit.export import export_lines  # noqa: PLC0415
    from stagely_rpc.db.driver.failures import why_unreachable  # noqa: PLC0415

    output = typer.get_binary_stream("stdout")
    try:
        for line in export_lines(url, selection):
            output.write(line)
        output.flush()
    except psycopg.Error as error:
        give_up(f"can't read the audit log: {why_unreachable(error, url)}")
