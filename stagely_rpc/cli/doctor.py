"""`stagely-rpc doctor`: check everything that `serve` needs, with one line for each check."""

from __future__ import annotations

import os
from typing import Annotated

import typer

CHECK_FAILED = 1


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list of objects instead of lines.")] = False,
) -> None:
    """Check the settings, the database and everything else that `serve` needs. Exit with 1 if a check fails."""
    # gRPC's core would log the errors that the findings report.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    import json  # noqa: PLC0415
    from dataclasses import asdict  # noqa: PLC0415

    from stagely_rpc.doctor.examination import examine  # noqa: PLC0415

    findings = []
    for finding in examine():
        findings.append(finding)
        if not as_json:
            typer.echo(finding.line())
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    if any(finding.status == "fail" for finding in findings):
        raise typer.Exit(CHECK_FAILED)
