from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.support.eventually import logged

if TYPE_CHECKING:
    from stagely_rpc.server.server import Server

PING_SECONDS = 6
"""More often than gRPC clients in other languages, which wait at least 10 s."""


async def test_keepalive_pings_of_an_idle_client_are_allowed(server: Server) -> None:
    """By default, a server allows one ping in five minutes, and closes the connection at the third early ping."""
    options = [
        ("grpc.keepalive_time_ms", PING_SECONDS * 1000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", options=options) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        with structlog.testing.capture_logs() as logs:
            await health.Check(health_pb2.HealthCheckRequest())
            await asyncio.sleep(3.5 * PING_SECONDS)
            await health.Check(health_pb2.HealthCheckRequest())
            checks = await logged(logs, 2, method="/grpc.health.v1.Health/Check")

    assert checks[0]["peer"] == checks[1]["peer"]
