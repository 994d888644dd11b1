"""`stagely-rpc serve`, for production, and `stagely-rpc dev`, with everything embedded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stagely_rpc.cli.problems import reported
from stagely_rpc.settings import EmbeddedSettings, Settings, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagely_rpc.server import Server

_BANNER = """
Stagely RPC is up on {address}, over PostgreSQL {postgres} in {directory}.
Anyone who reaches this port may do everything: it listens on this host only.

  grpcurl -plaintext {address} list
  grpcurl -plaintext {address} grpc.health.v1.Health/Check
  grpcurl -plaintext -d '{{"slug": "acme", "name": "Acme"}}' {address} stagely.v1.TeamService/CreateTeam
  grpcurl -plaintext -d '{{"slug": "acme"}}' {address} stagely.v1.TeamService/GetTeam

Ctrl-C stops it; the data is there next time.
"""


def serve() -> None:
    """Run the service with settings from the environment. SIGTERM and SIGINT stop it; calls under way end first."""
    with reported():
        settings = load(Settings)
    _run(settings, lambda _: None)


def dev(
    directory: Annotated[Path, typer.Option(help="Where the data and the key are kept.")] = Path(".stagely"),
) -> None:
    """Run the whole service on this host over an embedded PostgreSQL."""
    from stagely_rpc import embedded  # noqa: PLC0415
    from stagely_rpc.db import migrations  # noqa: PLC0415

    with reported(embedded.EmbeddedError, migrations.MigrationError, OSError):
        directory.mkdir(exist_ok=True)
        key = embedded.load_or_create_key(directory / "encryption.key")
        with embedded.start(directory / "postgres") as postgres:
            migrations.upgrade(postgres.url)
            settings = load(EmbeddedSettings, database_url=postgres.url, encryption_key=key)

            def greet(server: Server) -> None:
                address = f"{settings.host}:{server.port}"
                typer.echo(_BANNER.format(address=address, postgres=postgres.version, directory=directory))

            _run(settings, greet)


def _run(settings: Settings, on_ready: Callable[[Server], None]) -> None:
    # gRPC's core would say in lines of its own what the server says in one.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")

    import uvloop  # noqa: PLC0415

    from stagely_rpc.logs import configure_logs  # noqa: PLC0415
    from stagely_rpc.server import StartupError, serve  # noqa: PLC0415

    configure_logs(settings.log_level, json=settings.environment == "production")
    with reported(StartupError):
        uvloop.run(serve(settings, on_ready))
