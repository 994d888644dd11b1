"""Whoever loses its role while its call waits for a lock is refused: the role counts when the effect does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
import psycopg
import pytest

from stagely.v1 import team_pb2
from tests.support.access.policies import policy_of
from tests.support.access.requests import request_of
from tests.support.access.stage import new_login
from tests.support.methods import METHOD, METHODS
from tests.support.racing import until_calls_wait
from tests.support.refusals import refused
from tests.support.world import Renewable, ask

if TYPE_CHECKING:
    from tests.support.access.stage import Stage
    from tests.support.methods import Method
    from tests.support.world import World

HOLD_TEAM = "SELECT FROM teams WHERE id = %(team)s FOR UPDATE"
HOLD_ENVIRONMENT = "SELECT FROM environments WHERE id = %(environment)s FOR UPDATE"
JOIN = "INSERT INTO team_members (team_id, user_id, role) VALUES (%(team)s, %(user)s, 'owner')"

FATES = {
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

HOLDING_NO_TEAM = {"EnvironmentService.UpdateEnvironment", "EnvironmentService.TerminateEnvironment"}
"""They are about one environment whatever its team is, and wait for that alone."""

WRITES = [method for method in METHODS if policy_of(method).role and method.changes_something]


async def new_owner(stage: Stage, world: World) -> dict[str, str]:
    """Let a new user own a team; return what it is about."""
    user = (await ask(stage.operator, "UserService.UpsertUser", new_login())).user
    ids = {"team": world.team.id, "user": user.id, "environment": world.environment.id}
    async with await psycopg.AsyncConnection.connect(stage.database_url) as connection:
        await connection.execute(JOIN, ids)
    return ids


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("method", WRITES, ids=str)
async def test_who_loses_its_role_while_its_call_waits_is_refused(
    stage: Stage, world: World, method: Method, fate: str
) -> None:
    statement, code, reason = FATES[fate]
    about = await Renewable(stage.operator, method.name, world).ready()
    ids = await new_owner(stage, about)

    async with await psycopg.AsyncConnection.connect(stage.database_url) as connection:
        await connection.execute(HOLD_ENVIRONMENT if method.name in HOLDING_NO_TEAM else HOLD_TEAM, ids)
        call = asyncio.create_task(stage.ask(method.name, request_of(method, about, 0), ids["user"]))
        await until_calls_wait(stage.database_url, 1)
        await connection.execute(statement, ids)

    with refused(code, reason=reason):
        await call


async def test_calls_that_wait_for_a_removal_are_refused(stage: Stage, world: World) -> None:
    """All of them are callers: of those that wait for the team, the one that removes the user is the first."""
    ids = await new_owner(stage, world)
    removal = team_pb2.RemoveTeamMemberRequest(team_id=ids["team"], user_id=ids["user"])
    names = ("ProjectService.UpdateProject", "SecretService.SetSecret", "EnvironmentService.EnsureEnvironment")

    async with await psycopg.AsyncConnection.connect(stage.database_url) as connection:
        await connection.execute(HOLD_TEAM, ids)
        removing = asyncio.create_task(ask(stage.operator, "TeamService.RemoveTeamMember", removal))
        await until_calls_wait(stage.database_url, 1)
        requests = {name: request_of(METHOD[name], world, 0) for name in names}
        calls = [asyncio.create_task(stage.ask(name, request, ids["user"])) for name, request in requests.items()]
        await until_calls_wait(stage.database_url, 1 + len(calls))

    await removing
    for call in calls:
        with refused(grpc.StatusCode.NOT_FOUND):
            await call
