"""`stagely-rpc probe`: a health check for containers that have no other client."""

from __future__ import annotations

from typing import Annotated

import typer

from stagely_rpc.cli.problems import reported

NOT_SERVING = 1


def probe(
    target: Annotated[
        str, typer.Option(help="Host and port, without TLS. Default: this host and HEALTH_PORT, or PORT.")
    ] = "",
    service: Annotated[
        str, typer.Option(help="Full name of a service, or `liveness`. Default: the whole server.")
    ] = "",
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the response.", min=0.1)] = 2.0,
) -> None:
    """Exit with 0 if the server, or the given service, is SERVING, and with 1 otherwise."""
    import grpc  # noqa: PLC0415
    from grpc_health.v1 import health_pb2, health_pb2_grpc  # noqa: PLC0415

    with reported():
        target = target or _own_target()
    request = health_pb2.HealthCheckRequest(service=service)
    with grpc.insecure_channel(target, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            response = health_pb2_grpc.HealthStub(channel).Check(request, timeout=timeout)
        except grpc.RpcError as error:
            typer.echo(f"{target}: {error.code().name}", err=True)
            raise typer.Exit(NOT_SERVING) from None
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)
    typer.echo(status)
    if response.status != health_pb2.HealthCheckResponse.SERVING:
        raise typer.Exit(NOT_SERVING)


def _own_target() -> str:
    from stagely_rpc.settings.model import PortSettings, load  # noqa: PLC0415

    ports = load(PortSettings)
    return f"127.0.0.1:{ports.health_port or ports.port}"
