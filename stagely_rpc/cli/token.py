"""`stagely-rpc token`: bearer tokens for operators, signed with JWT_SECRET."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

import typer

from stagely_rpc.cli.problems import reported

MAX_TTL = timedelta(days=30)

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

app = typer.Typer(help="Mint bearer tokens.", no_args_is_help=True)


@app.callback()
def token() -> None:
    """Mint bearer tokens."""


@app.command()
def mint(
    subject: Annotated[str, typer.Option(help="The service or person that the token identifies.")],
    permission: Annotated[list[str], typer.Option(help="`kind.verb`, `kind.*` or `*`. May be repeated.")],
    ttl: Annotated[str, typer.Option(help="How long the token is valid, such as 15m, 1h or 7d. At most 30d.")] = "1h",
    audience: Annotated[str | None, typer.Option(help="The token's audience. Default: JWT_AUDIENCE.")] = None,
) -> None:
    """Print a token that is signed with JWT_SECRET (HS256). Its issuer is JWT_ISSUER."""
    from stagely_rpc.identity import tokens  # noqa: PLC0415
    from stagely_rpc.settings.model import MintSettings, load  # noqa: PLC0415

    with reported(tokens.MintError, InvalidTtlError):
        settings = load(MintSettings)
        minted = tokens.mint(
            settings.jwt_secret.get_secret_value().encode(),
            subject=subject,
            permissions=permission,
            ttl=parse_ttl(ttl),
            issuer=settings.jwt_issuer,
            audience=audience or settings.jwt_audience,
        )
    typer.echo(minted)


class InvalidTtlError(Exception):
    """A duration is malformed or out of range. The message is one line for the user."""


def parse_ttl(text: str) -> timedelta:
    """Parse a duration such as `15m`, `1h` or `7d`.

    Raises:
        InvalidTtlError: the text is not a duration, or the duration is not between 1 s and 30 days.
    """
    match = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    ttl = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else timedelta(0)
    if not timedelta(0) < ttl <= MAX_TTL:
        raise InvalidTtlError(f"--ttl {text[:20]!r}: must be a duration such as 15m, 1h or 7d, of at most 30d")
    return ttl
