"""`stagely-rpc keys`: encryption keys."""

from __future__ import annotations

import secrets

import typer

KEY_BYTES = 32

app = typer.Typer(help="Generate encryption keys.", no_args_is_help=True)


@app.callback()
def keys() -> None:
    """Generate encryption keys."""


@app.command()
def generate() -> None:
    """Print a new key for ENCRYPTION_KEY: 64 hexadecimal digits, 256 random bits."""
    typer.echo(secrets.token_hex(KEY_BYTES))
