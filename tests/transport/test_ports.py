from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import grpc
import psycopg
import pytest
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc

from stagely.v1 import team_pb2, team_pb2_grpc
from stagely_rpc.errors import ListenError
from stagely_rpc.health import LIVENESS, HealthServicer
from stagely_rpc.server.server import StartupError
from stagely_rpc.transport.ports import Addresses, Ports
from tests.support.eventually import eventually
from tests.support.identity import tls
from tests.support.identity.certificates import (
    Files,
    channel_credentials,
    make_authority,
    make_certificate,
    make_server_certificate,
    uri,
)
from tests.support.refusals import refused
from tests.support.rpc import running_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from stagely_rpc.server.server import Server

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
AUTHORITY = make_authority()
ROUTER = make_certificate(AUTHORITY, uri("spiffe://stagely.dev/router"))
STRANGER = make_certificate(AUTHORITY, uri("spiffe://stagely.dev/stranger"))
PERMISSIONS = '[identities]\n"spiffe://stagely.dev/router" = ["teams.*"]\n'


@pytest.fixture
def secure_settings(tmp_path: Path) -> dict[str, Any]:
    """The settings of a server with mutual TLS and a health port."""
    files = Files(tmp_path / "tls.crt", tmp_path / "tls.key", tmp_path / "ca.crt")
    files.write(make_server_certificate(AUTHORITY))
    files.client_ca.write_bytes(AUTHORITY.pem)
    permissions = tmp_path / "permissions.toml"
    permissions.write_text(PERMISSIONS)
    return {
        "tls_cert_file": files.cert,
        "tls_key_file": files.key,
        "tls_client_ca_file": files.client_ca,
        "permissions_file": permissions,
        "health_port": 0,
    }


@pytest.fixture
async def secure_server(fresh_database_url: str, secure_settings: dict[str, Any]) -> AsyncIterator[Server]:
    async with running_server(fresh_database_url, **secure_settings) as server:
        yield server


@pytest.fixture
async def health_channel(secure_server: Server) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{secure_server.health_port}") as channel:
        yield channel


async def test_caller_with_a_certificate_has_the_permissions_of_its_identity(secure_server: Server) -> None:
    async with tls.connected(secure_server.port, channel_credentials(AUTHORITY, ROUTER)) as channel:
        await team_pb2_grpc.TeamServiceStub(channel).ListTeams(team_pb2.ListTeamsRequest())
    async with tls.connected(secure_server.port, channel_credentials(AUTHORITY, STRANGER)) as channel:
        with refused(grpc.StatusCode.PERMISSION_DENIED):
            await team_pb2_grpc.TeamServiceStub(channel).ListTeams(team_pb2.ListTeamsRequest())


async def test_health_port_serves_health_checks_without_tls(health_channel: grpc.aio.Channel) -> None:
    health = health_pb2_grpc.HealthStub(health_channel)

    assert (await health.Check(health_pb2.HealthCheckRequest())).status == SERVING
    assert (await health.Check(health_pb2.HealthCheckRequest(service=LIVENESS))).status == SERVING
    assert "stagely.v1.TeamService" in (await health.List(health_pb2.HealthListRequest())).statuses
    with pytest.raises(grpc.aio.AioRpcError, match="NOT_FOUND"):
        await health.Check(health_pb2.HealthCheckRequest(service="nothing"))


@pytest.mark.parametrize(
    "method",
    [
        "/stagely.v1.TeamService/ListTeams",
        "/stagely.v1.SecretService/AccessSecret",
        "/stagely.v1.IdService/GenerateId",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "/grpc.health.v1.Health/Other",
    ],
)
async def test_health_port_serves_only_health_checks(health_channel: grpc.aio.Channel, method: str) -> None:
    call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = health_channel.unary_unary(method)

    with pytest.raises(grpc.aio.AioRpcError, match="UNIMPLEMENTED"):
        await call(b"")


async def test_service_port_refuses_plaintext(secure_server: Server) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{secure_server.port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError, match="UNAVAILABLE"):
            await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())


async def test_health_port_reports_not_serving_until_the_last_call_has_ended(
    fresh_database_url: str, secure_settings: dict[str, Any]
) -> None:
    async with running_server(fresh_database_url, **secure_settings) as server:
        address = f"127.0.0.1:{server.health_port}"
        async with (
            grpc.aio.insecure_channel(address) as health_channel,
            tls.connected(server.port, channel_credentials(AUTHORITY, ROUTER)) as channel,
        ):
            health = health_pb2_grpc.HealthStub(health_channel)
            teams = team_pb2_grpc.TeamServiceStub(channel)

            async def status() -> object:
                return (await health.Check(health_pb2.HealthCheckRequest())).status

            async with await psycopg.AsyncConnection.connect(fresh_database_url) as holder:
                await holder.execute("LOCK TABLE teams")
                pending = asyncio.ensure_future(teams.ListTeams(team_pb2.ListTeamsRequest()))
                await eventually(lambda: waiting_on_a_lock(holder), expected=True)

                stopping = asyncio.create_task(server.stop())
                await eventually(status, NOT_SERVING)
                await asyncio.sleep(0.2)
                assert await status() == NOT_SERVING
                assert not stopping.done()

            await pending
            await stopping
            with pytest.raises(grpc.aio.AioRpcError, match="UNAVAILABLE"):
                await status()


async def waiting_on_a_lock(connection: psycopg.AsyncConnection[Any]) -> bool:
    cursor = await connection.execute(
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return bool(await cursor.fetchall())


async def test_log_shows_the_endpoints_of_the_service(fresh_database_url: str, secure_settings: dict[str, Any]) -> None:
    with structlog.testing.capture_logs() as logs:
        async with running_server(fresh_database_url, **secure_settings) as server:
            pass

    (listening,) = [log for log in logs if log["event"] == "listening"]
    assert listening["address"] == f"127.0.0.1:{server.port}"
    assert listening["tls"] == "mutual"
    assert listening["health"] == f"127.0.0.1:{server.health_port}"


@pytest.mark.parametrize(
    ("setting", "contents", "problem"),
    [
        ("tls_client_ca_file", "", "TLS_CLIENT_CA_FILE: {file}: is empty"),
        ("tls_key_file", "", "TLS_KEY_FILE: {file}: is empty"),
        ("permissions_file", "[other]", "{file}"),
    ],
)
async def test_unusable_file_prevents_startup_with_one_line(
    fresh_database_url: str, secure_settings: dict[str, Any], setting: str, contents: str, problem: str
) -> None:
    secure_settings[setting].write_text(contents)

    with pytest.raises(StartupError) as refused_start:
        async with running_server(fresh_database_url, **secure_settings):
            pass

    assert problem.format(file=secure_settings[setting]) in str(refused_start.value)
    assert "\n" not in str(refused_start.value)


@pytest.mark.parametrize("which", ["port", "health_port"])
async def test_taken_port_is_named_in_the_error(which: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        port, health_port = (number, 0) if which == "port" else (0, number)
        ports = Ports(grpc.aio.server(), HealthServicer([]), Addresses("127.0.0.1", port, health_port))

        with pytest.raises(ListenError, match=f"can't listen on 127.0.0.1:{number}: is the port taken?"):
            await ports.open()
