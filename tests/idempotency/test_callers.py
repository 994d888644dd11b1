from __future__ import annotations

import uuid

import grpc
import pytest

from stagely.v1 import team_pb2, user_pb2
from tests.support.refusals import refused
from tests.support.rpc import connected, running_server
from tests.support.tokens import AUTHENTICATION, token
from tests.support.world import call_rpc


def new_team(request_id: str, slug: str) -> team_pb2.CreateTeamRequest:
    return team_pb2.CreateTeamRequest(slug=slug, name="Web", request_id=request_id)


async def test_two_services_may_use_the_same_id(fresh_database_url: str) -> None:
    request_id = str(uuid.uuid4())
    async with running_server(fresh_database_url, **AUTHENTICATION) as server:
        async with connected(server, token=token("api", "*")) as api:
            first = (await call_rpc(api, "TeamService.CreateTeam", new_team(request_id, "web"))).team
        async with connected(server, token=token("reaper", "*")) as reaper:
            second = (await call_rpc(reaper, "TeamService.CreateTeam", new_team(request_id, "api"))).team

    assert (first.slug, second.slug) == ("web", "api")


async def test_stored_response_is_only_for_the_same_service_and_acting_user(fresh_database_url: str) -> None:
    request = new_team(str(uuid.uuid4()), "web")
    api_token = token("api", "*")
    async with (
        running_server(fresh_database_url, **AUTHENTICATION) as server,
        connected(server, token=api_token) as api,
    ):
        users = [
            (
                await call_rpc(
                    api, "UserService.UpsertUser", user_pb2.UpsertUserRequest(email=f"{name}@x.org", name=name)
                )
            ).user.id
            for name in ("ada", "bob")
        ]
        async with connected(server, token=api_token, user_id=users[0]) as for_ada:
            first = (await call_rpc(for_ada, "TeamService.CreateTeam", request)).team
            assert (await call_rpc(for_ada, "TeamService.CreateTeam", request)).team == first
        async with connected(server, token=api_token, user_id=users[1]) as for_bob:
            with refused(grpc.StatusCode.INVALID_ARGUMENT, reason="REQUEST_ID_REUSED"):
                await call_rpc(for_bob, "TeamService.CreateTeam", request)
        with refused(grpc.StatusCode.INVALID_ARGUMENT, reason="REQUEST_ID_REUSED"):
            await call_rpc(api, "TeamService.CreateTeam", request)


@pytest.mark.parametrize("scope", ["teams.get", ""])
async def test_caller_without_permission_does_not_get_the_stored_response(fresh_database_url: str, scope: str) -> None:
    request = new_team(str(uuid.uuid4()), "web")
    async with running_server(fresh_database_url, **AUTHENTICATION) as server:
        async with connected(server, token=token("api", "*")) as api:
            await call_rpc(api, "TeamService.CreateTeam", request)
        async with connected(server, token=token("api", scope)) as demoted:
            with refused(grpc.StatusCode.PERMISSION_DENIED, reason="PERMISSION_MISSING"):
                await call_rpc(demoted, "TeamService.CreateTeam", request)
