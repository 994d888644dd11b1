"""What is asked of no caller, and what is asked of whoever explores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from tests.support.access.stage import send
from tests.support.refusals import refused
from tests.support.rpc import connected, running_server
from tests.support.tokens import AUTHENTICATION, token

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stagely_rpc.server.server import Server
    from tests.support.access.stage import Stage

REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
MALFORMED = "no token"


@pytest.fixture(scope="module")
async def production(stage: Stage) -> AsyncIterator[Server]:
    """A server as in production, over the database of another."""
    async with running_server(stage.database_url, environment="production", **AUTHENTICATION) as server:
        yield server


@pytest.fixture(scope="module", params=["development", "test"])
async def workbench(stage: Stage, request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """A server where people explore."""
    async with running_server(stage.database_url, environment=request.param, **AUTHENTICATION) as server:
        yield server


async def services(channel: grpc.aio.Channel) -> set[str]:
    """Ask a server what it offers."""
    ask: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(REFLECTION)
    question = reflection_pb2.ServerReflectionRequest(list_services="")
    (raw,) = [answer async for answer in ask(iter([question.SerializeToString()]))]
    answer = reflection_pb2.ServerReflectionResponse.FromString(raw)
    return {service.name for service in answer.list_services_response.service}


async def test_reflection_is_open_where_people_explore(workbench: Server) -> None:
    async with connected(workbench) as channel:
        assert "stagely.v1.TeamService" in await services(channel)


@pytest.mark.parametrize("permission", ["reflection.use", "reflection.*", "*"])
async def test_reflection_in_production_is_for_whoever_may_use_it(production: Server, permission: str) -> None:
    async with connected(production, token=token("ops", permission)) as channel:
        assert "stagely.v1.TeamService" in await services(channel)


async def test_reflection_in_production_is_for_no_one_else(production: Server) -> None:
    async with connected(production) as channel:
        with refused(grpc.StatusCode.UNAUTHENTICATED, reason="TOKEN_MISSING"):
            await services(channel)
    async with connected(production, token=token("ops", "teams.*", "reflection.describe")) as channel:
        with refused(grpc.StatusCode.PERMISSION_DENIED, reason="PERMISSION_MISSING"):
            await services(channel)


@pytest.mark.parametrize("shown", [None, MALFORMED])
async def test_health_is_for_everyone(production: Server, shown: str | None) -> None:
    async with connected(production, token=shown) as channel:
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
async def test_unknown_methods_are_unimplemented_for_everyone(production: Server, path: str) -> None:
    for shown in (None, MALFORMED, token("ops", "*")):
        async with connected(production, token=shown) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await send(channel, path)
            assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    "path", ["/stagely.v1.teamservice/GetTeam", "/stagely.v1.TeamService/GetTeam/", "//stagely.v1.TeamService/GetTeam"]
)
async def test_another_spelling_of_a_method_is_no_way_around(production: Server, path: str) -> None:
    async with connected(production) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await send(channel, path)
        assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED
