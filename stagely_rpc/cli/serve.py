"""`stagely-rpc serve`, for production, and `stagely-rpc dev`, with everything embedded."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stagely_rpc.cli.problems import reported
from stagely_rpc.process.startup import lean_imports

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import SecretStr

    from stagely_rpc.server.server import Server
    from stagely_rpc.settings.model import EmbeddedSettings, Settings

_BANNER = """
Stagely RPC serves on {address}, with PostgreSQL {postgres} in {directory}.
{authentication}

  grpcurl -plaintext {address} list
  grpcurl -plaintext {address} grpc.health.v1.Health/Check
  grpcurl -plaintext {header}-d '{{"slug": "acme", "name": "Acme"}}' {address} stagely.v1.TeamService/CreateTeam
  grpcurl -plaintext {header}-d '{{"slug": "acme"}}' {address} stagely.v1.TeamService/GetTeam

Press Ctrl-C to stop. The data is kept.
"""
_AUTHENTICATION_IS_OFF = """Authentication is off: anyone who reaches this port on {host} has full access.
Use --auth to require tokens."""
_AUTHENTICATION_IS_ON = """Authentication is on. This token has full access for {hours} hours:

  export TOKEN={token}

To make other tokens, sign them with this directory's secret:

  JWT_SECRET=$(cat {secret_file}) stagely-rpc token mint --subject reaper --permission 'environments.*'"""
_DEVELOPER = "developer"
_TOKEN_HOURS = 12
_SIGNING_KEY = Path("jwt.secret")
_CUT_OFF = 1
"""The exit code when a worker was killed before its calls ended."""


def serve(
    workers: Annotated[
        int | None,
        typer.Option(help="Number of processes that share the port. Default: WORKERS, or 1.", show_default=False),
    ] = None,
) -> None:
    """Run the service with settings from the environment. SIGTERM or SIGINT stops it after calls in progress end."""
    with lean_imports():
        from stagely_rpc.settings.model import Settings, load  # noqa: PLC0415

    with reported():
        settings = load(Settings) if workers is None else load(Settings, workers=workers)
    if settings.workers > 1:
        _supervise(settings)
    else:
        _run(settings, lambda _: None)


def dev(
    directory: Annotated[Path, typer.Option(help="Directory of the data and the keys.")] = Path(".stagely"),
    auth: Annotated[bool, typer.Option("--auth", help="Require tokens from callers, and print one.")] = False,
) -> None:
    """Run the whole service on this host, in one process, with an embedded PostgreSQL."""
    from stagely_rpc.db.schema import migrations  # noqa: PLC0415
    from stagely_rpc.embedded import postgres as embedded  # noqa: PLC0415
    from stagely_rpc.settings.model import EmbeddedSettings, load  # noqa: PLC0415

    with reported(embedded.EmbeddedError, migrations.MigrationError, OSError):
        directory.mkdir(exist_ok=True)
        key = embedded.load_or_create_key(directory / "encryption.key")
        jwt_secret = embedded.load_or_create_key(directory / _SIGNING_KEY) if auth else None
        with embedded.start(directory / "postgres") as postgres:
            migrations.upgrade(postgres.url)
            given = {"database_url": postgres.url, "encryption_key": key, "workers": 1, **_only_secret(jwt_secret)}
            settings = load(EmbeddedSettings, **given)

            def print_banner(server: Server) -> None:
                typer.echo(_banner(settings, server, postgres.version, directory))

            _run(settings, print_banner, has_children=True)


def _only_secret(jwt_secret: str | None) -> dict[str, str | None]:
    """Return settings that accept only tokens of this secret. Without a secret, authentication is off."""
    return {"jwt_secret": jwt_secret, "jwt_secret_previous": None, "jwt_jwks": None}


def _banner(settings: EmbeddedSettings, server: Server, postgres: str, directory: Path) -> str:
    if settings.jwt_secret is None:
        authentication, header = _AUTHENTICATION_IS_OFF.format(host=settings.host), ""
    else:
        token = _full_access_token(settings, settings.jwt_secret)
        authentication = _AUTHENTICATION_IS_ON.format(
            hours=_TOKEN_HOURS, token=token, secret_file=directory / _SIGNING_KEY
        )
        header = '-H "authorization: Bearer $TOKEN" '
    address = f"{settings.host}:{server.port}"
    return _BANNER.format(
        address=address, postgres=postgres, directory=directory, authentication=authentication, header=header
    )


def _full_access_token(settings: EmbeddedSettings, secret: SecretStr) -> str:
    from stagely_rpc.identity.tokens import mint  # noqa: PLC0415

    return mint(
        secret.get_secret_value().encode(),
        subject=_DEVELOPER,
        permissions=["*"],
        ttl=timedelta(hours=_TOKEN_HOURS),
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
    )


def _supervise(settings: Settings) -> None:
    with lean_imports():
        import asyncio  # noqa: PLC0415

        from stagely_rpc.db.schema.revision import needed_revision  # noqa: PLC0415
        from stagely_rpc.errors import ListenError  # noqa: PLC0415
        from stagely_rpc.process.supervisor import WorkerStartError, supervise  # noqa: PLC0415
        from stagely_rpc.telemetry.logs.configure import configure_logs  # noqa: PLC0415

    configure_logs(settings.log_level, json=settings.environment == "production")
    with reported(ListenError, WorkerStartError):
        drained = asyncio.run(supervise(settings, needed_revision()))
    if not drained:
        raise typer.Exit(_CUT_OFF)


def _run(settings: Settings, on_ready: Callable[[Server], None], *, has_children: bool = False) -> None:
    # gRPC's core would log the errors that the server logs itself.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")

    with lean_imports():
        import uvloop  # noqa: PLC0415

        from stagely_rpc.process.run import serve  # noqa: PLC0415
        from stagely_rpc.server.server import StartupError  # noqa: PLC0415
        from stagely_rpc.telemetry.logs.configure import configure_logs  # noqa: PLC0415

    configure_logs(settings.log_level, json=settings.environment == "production")
    with reported(StartupError):
        uvloop.run(serve(settings, on_ready, has_children=has_children))
