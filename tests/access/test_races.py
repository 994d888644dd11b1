"""A user who loses their role while their call waits for a lock is refused. The role is read after the lock."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
import psycopg
import pytest

from stagely.v1 import team_pb2
from tests.support.access.auth_server import new_login
from tests.support.access.policies import policy_of
from tests.support.access.requests import request_of
from tests.support.methods import METHOD, METHODS
from tests.support.racing import until_calls_wait
from tests.support.refusals import refused
from tests.support.world import Renewable, call_rpc

if TYPE_CHECKING:
    from tests.support.access.auth_server import AuthServer
    from tests.support.methods import Method
    from tests.support.world import World

LOCK_TEAM = "SELECT FROM teams WHERE id = %(team)s FOR UPDATE"
LOCK_ENVIRONMENT = "SELECT FROM environments WHERE id = %(environment)s FOR UPDATE"
ADD_OWNER = "INSERT INTO team_members (team_id, user_id, role) VALUES (%(team)s, %(user)s, 'owner')"

ROLE_LOSSES = {
    "removed": (
        "DELETE FROM team_members WHERE team_id = %(team)s AND user_id = %(user)s",
        grpc.StatusCode.NOT_FOUND,
        "RESOURCE_NOT_FOUND",
    ),
    "demoted": (
        "UPDATE team_members SET role = 'viewer' WHERE team_id = %(team)s AND user_id = %(user)s",
        grpc.StatusCode.PERMISSION_DENIED,
        "ROLE_MISSING",
    ),
}

LOCKING_NO_TEAM = {"EnvironmentService.UpdateEnvironment", "EnvironmentService.TerminateEnvironment"}
"""These lock the environment only, not its team."""

WRITES = [method for method in METHODS if policy_of(method).role and method.changes_something]


async def new_owner(auth_server: AuthServer, world: World) -> dict[str, str]:
    """Make a new user an owner of the team. Return the ids for the statements."""
    user = (await call_rpc(auth_server.operator, "UserService.UpsertUser", new_login())).user
    ids = {"team": world.team.id, "user": user.id, "environment": world.environment.id}
    async with await psycopg.AsyncConnection.connect(auth_server.database_url) as connection:
        await connection.execute(ADD_OWNER, ids)
    return ids


@pytest.mark.parametrize("loss", ROLE_LOSSES)
@pytest.mark.parametrize("method", WRITES, ids=str)
async def test_user_who_loses_the_role_while_the_call_waits_is_refused(
    auth_server: AuthServer, world: World, method: Method, loss: str
) -> None:
    statement, code, reason = ROLE_LOSSES[loss]
    target = await Renewable(auth_server.operator, method.name, world).ready()
    ids = await new_owner(auth_server, target)

    async with await psycopg.AsyncConnection.connect(auth_server.database_url) as connection:
        await connection.execute(LOCK_ENVIRONMENT if method.name in LOCKING_NO_TEAM else LOCK_TEAM, ids)
        call = asyncio.create_task(auth_server.call(method.name, request_of(method, target, 0), ids["user"]))
        await until_calls_wait(auth_server.database_url, 1)
        await connection.execute(statement, ids)

    with refused(code, reason=reason):
        await call


async def test_calls_that_wait_for_the_removal_of_their_user_are_refused(auth_server: AuthServer, world: World) -> None:
    """All calls wait for the team's lock, and the removal of the user is first in the queue."""
    ids = await new_owner(auth_server, world)
    removal = team_pb2.RemoveTeamMemberRequest(team_id=ids["team"], user_id=ids["user"])
    names = ("ProjectService.UpdateProject", "SecretService.SetSecret", "EnvironmentService.EnsureEnvironment")

    async with await psycopg.AsyncConnection.connect(auth_server.database_url) as connection:
        await connection.execute(LOCK_TEAM, ids)
        removing = asyncio.create_task(call_rpc(auth_server.operator, "TeamService.RemoveTeamMember", removal))
        await until_calls_wait(auth_server.database_url, 1)
        requests = {name: request_of(METHOD[name], world, 0) for name in names}
        calls = [
            asyncio.create_task(auth_server.call(name, request, ids["user"])) for name, request in requests.items()
        ]
        await until_calls_wait(auth_server.database_url, 1 + len(calls))

    await removing
    for call in calls:
        with refused(grpc.StatusCode.NOT_FOUND):
            await call
