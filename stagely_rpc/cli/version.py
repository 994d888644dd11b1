"""`stagely-rpc version`: the version and its schema revision."""

from __future__ import annotations

import typer


def version() -> None:
    """Print the version, and the schema revision that it needs."""
    from stagely_rpc import __version__  # noqa: PLC0415
    from stagely_rpc.db.schema.migrations import head_revision  # noqa: PLC0415

    typer.echo(f"stagely-rpc {__version__}, schema {head_revision()}")
