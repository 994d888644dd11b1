"""Checks of the ports: each is free, or the service already listens on it."""

from __future__ import annotations

import errno
import socket
from http.client import HTTPException
from typing import TYPE_CHECKING
from urllib.request import urlopen

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from stagely_rpc.doctor.findings import fail, ok, warn

if TYPE_CHECKING:
    from stagely_rpc.doctor.findings import Outcome
    from stagely_rpc.settings.model import Settings

_TIMEOUT_SECONDS = 2.0
_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]", "::": "[::1]"}  # noqa: S104
_BUILD_INFO = b"stagely_rpc_build_info"


def service(settings: Settings) -> Outcome:
    """Check the port of the service: free, or taken by a service that is SERVING."""
    port = settings.port
    if settings.tls_cert_file is None:
        return _free(settings, port, "PORT") or _health_at(settings, port, "PORT")
    return _free(settings, port, "PORT") or ok(f"{port} is taken, and has TLS: see the health port")


def health(settings: Settings) -> Outcome:
    """Check the health port: free, or taken by a service that is SERVING."""
    port = settings.health_port
    if port is None:
        return ok("none")
    return _free(settings, port, "HEALTH_PORT") or _health_at(settings, port, "HEALTH_PORT")


def metrics(settings: Settings) -> Outcome:
    """Check the metrics port: free, or taken by this service's metrics."""
    port = settings.metrics_port
    if port is None:
        return ok("none")
    return _free(settings, port, "METRICS_PORT") or _metrics_at(settings, port)


def _health_at(settings: Settings, port: int, variable: str) -> Outcome:
    with grpc.insecure_channel(_address(settings, port), options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            response = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=_TIMEOUT_SECONDS
            )
        except grpc.RpcError:
            return _taken(port, variable)
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)
    found = f"{port} is taken by a service that is {status}"
    if response.status == health_pb2.HealthCheckResponse.SERVING:
        return ok(found)
    return fail(found, "see its log for the reason, in the line `not serving`")


def _metrics_at(settings: Settings, port: int) -> Outcome:
    try:
        with urlopen(f"http://{_address(settings, port)}/metrics", timeout=_TIMEOUT_SECONDS) as response:
            is_ours = _BUILD_INFO in response.read()
    except (OSError, HTTPException):
        is_ours = False
    return ok(f"{port} serves metrics") if is_ours else _taken(port, "METRICS_PORT")


def _taken(port: int, variable: str) -> Outcome:
    return warn(f"{port} is taken by another program", f"stop that program, or set {variable}")


def _free(settings: Settings, port: int, variable: str) -> Outcome | None:
    """Return the outcome of binding a port; None if the port is taken."""
    try:
        host = settings.host.strip("[]")
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return None
        found = f"can't listen on {settings.host}:{port}: {(error.strerror or '').lower()}"
        return fail(found, f"set HOST or {variable}")
    return ok(f"{port} is free" if port else "0 takes a free port")


def _address(settings: Settings, port: int) -> str:
    return f"{_EVERY_ADDRESS.get(settings.host, settings.host)}:{port}"
