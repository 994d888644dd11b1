"""Access to methods without a policy: health, reflection, and unknown methods."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from tests.support.access.auth_server import send
from tests.support.refusals import refused
from tests.support.rpc import connected, running_server
from tests.support.tokens import AUTHENTICATION, token

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stagely_rpc.server.server import Server
    from tests.support.access.auth_server import AuthServer

REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
MALFORMED = "no token"


@pytest.fixture(scope="module")
async def production(auth_server: AuthServer) -> AsyncIterator[Server]:
    """A server in production mode, on the database of the auth server."""
    async with running_server(auth_server.database_url, environment="production", **AUTHENTICATION) as server:
        yield server


@pytest.fixture(scope="module", params=["development", "test"])
async def development(auth_server: AuthServer, request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """A server in development or test mode, where reflection is open."""
    async with running_server(auth_server.database_url, environment=request.param, **AUTHENTICATION) as server:
        yield server


async def list_services(channel: grpc.aio.Channel) -> set[str]:
    """Return the names of the services that reflection lists."""
    reflect: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(REFLECTION)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    (raw,) = [answer async for answer in reflect(iter([request.SerializeToString()]))]
    answer = reflection_pb2.ServerReflectionResponse.FromString(raw)
    return {service.name for service in answer.list_services_response.service}


async def test_reflection_is_open_in_development(development: Server) -> None:
    async with connected(development) as channel:
        assert "stagely.v1.TeamService" in await list_services(channel)


@pytest.mark.parametrize("permission", ["reflection.use", "reflection.*", "*"])
async def test_reflection_in_production_is_granted_with_the_permission(production: Server, permission: str) -> None:
    async with connected(production, token=token("ops", permission)) as channel:
        assert "stagely.v1.TeamService" in await list_services(channel)


async def test_reflection_in_production_is_refused_without_the_permission(production: Server) -> None:
    async with connected(production) as channel:
        with refused(grpc.StatusCode.UNAUTHENTICATED, reason="TOKEN_MISSING"):
            await list_services(channel)
    async with connected(production, token=token("ops", "teams.*", "reflection.describe")) as channel:
        with refused(grpc.StatusCode.PERMISSION_DENIED, reason="PERMISSION_MISSING"):
            await list_services(channel)


@pytest.mark.parametrize("credential", [None, MALFORMED])
async def test_health_needs_no_token(production: Server, credential: str | None) -> None:
    async with connected(production, token=credential) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service="stagely.v1.TeamService")
        watched = health.Watch(request)

        assert (await health.Check(request)).status == health_pb2.HealthCheckResponse.SERVING
        assert (await health.List(health_pb2.HealthListRequest())).statuses
        assert (await watched.read()).status == health_pb2.HealthCheckResponse.SERVING
        watched.cancel()


@pytest.mark.parametrize(
    "path",
    ["/stagely.v1.TeamService/Explode", "/stagely.v1.NoService/GetTeam", "/stagely.v1.TeamService/", "/", "/x"],
)
async def test_unknown_method_is_unimplemented_with_any_token(production: Server, path: str) -> None:
    for credential in (None, MALFORMED, token("ops", "*")):
        async with connected(production, token=credential) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await send(channel, path)
            assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    "path", ["/stagely.v1.teamservice/GetTeam", "/stagely.v1.TeamService/GetTeam/", "//stagely.v1.TeamService/GetTeam"]
)
async def test_misspelled_method_path_is_unimplemented(production: Server, path: str) -> None:
    async with connected(production) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await send(channel, path)
        assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED
