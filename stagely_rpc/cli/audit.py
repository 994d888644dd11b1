"""`stagely-rpc audit`: the trail in the database that DATABASE_URL names."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from stagely_rpc.cli.problems import give_up, reported

if TYPE_CHECKING:
    from stagely_rpc.audit.export import Selection

app = typer.Typer(help="The audit trail of the database at DATABASE_URL.", no_args_is_help=True)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


Moment = Annotated[
    datetime | None, typer.Option(parser=_moment, metavar="TIME", help="ISO 8601, UTC where it says no other zone.")
]


@app.callback()
def audit() -> None:
    """Read the audit trail."""


@app.command()
def export(
    team: Annotated[uuid.UUID | None, typer.Option(help="Only rows of this team, by its id.")] = None,
    since: Moment = None,
    until: Moment = None,
) -> None:
    """Write rows as JSON lines, oldest first, each with its place in its chain. `--until` itself is left out."""
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
        give_up(f"the audit trail can't be read: {why_unreachable(error, url)}")
