"""The command line, with one module for each command. Commands import late, so that `--help` is fast."""

from __future__ import annotations

import typer

from stagely_rpc.cli import audit, doctor, keys, migrate, probe, serve, token, version

app = typer.Typer(
    help="Stagely RPC, the control-plane store of Stagely.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(serve.serve)
app.command()(serve.dev)
app.add_typer(migrate.app, name="migrate")
app.add_typer(keys.app, name="keys")
app.add_typer(audit.app, name="audit")
app.add_typer(token.app, name="token")
app.command()(probe.probe)
app.command()(doctor.doctor)
app.command()(version.version)
