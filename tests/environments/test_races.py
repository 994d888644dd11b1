from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import grpc
import psycopg
import pytest

from stagely.v1 import environment_pb2, team_pb2
from tests.support.environments import (
    COMMIT,
    OTHER_COMMIT,
    count_live,
    ensure,
    get_environment,
    insert_environment,
    make_environment,
    make_project,
    status_of,
    team_of,
    terminate,
    transition,
)
from tests.support.racing import CONNECTIONS, LOCK_ENVIRONMENT, LOCK_PROJECT, POOL_SIZE, blocking_transaction, outcomes
from tests.support.refusals import refused

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from stagely.v1.environment_pb2_grpc import EnvironmentServiceAsyncStub
    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub


async def test_parallel_creations_do_not_exceed_the_quota(
    callers: list[EnvironmentServiceAsyncStub], teams: TeamServiceAsyncStub, database_url: str
) -> None:
    project_id = await make_project(teams, database_url, quota=5)

    async with blocking_transaction(database_url, LOCK_PROJECT, project_id, waiting=POOL_SIZE):
        calls = (make_environment(callers[n % CONNECTIONS], project_id) for n in range(100))
        race = asyncio.ensure_future(outcomes(calls))
    made, refusals = await race

    assert len(made) == 5
    assert refusals == {"ENVIRONMENT_QUOTA_EXCEEDED": 95}
    assert await count_live(database_url, project_id) == 5


async def test_parallel_rebuilds_do_not_exceed_the_quota(
    callers: list[EnvironmentServiceAsyncStub], teams: TeamServiceAsyncStub, database_url: str
) -> None:
    project_id = await make_project(teams, database_url, quota=3)
    failed = [await insert_environment(database_url, project_id, "failed", pr_number=n) for n in range(1, 31)]

    async with blocking_transaction(database_url, LOCK_PROJECT, project_id, waiting=POOL_SIZE):
        transitions = (transition(callers[n % CONNECTIONS], one, "building") for n, one in enumerate(failed[:15]))
        ensures = (ensure(callers[n % CONNECTIONS], project_id, pr_number=n) for n in range(16, 31))
        race = asyncio.ensure_future(outcomes([*transitions, *ensures]))
    retried, refusals = await race

    assert len(retried) == 3
    assert refusals == {"ENVIRONMENT_QUOTA_EXCEEDED": 27}
    assert await count_live(database_url, project_id) == 3


async def test_parallel_changes_of_every_kind_respect_the_quota_without_deadlock(
    callers: list[EnvironmentServiceAsyncStub], teams: TeamServiceAsyncStub, database_url: str
) -> None:
    project_id = await make_project(teams, database_url, quota=4)
    failed = [await insert_environment(database_url, project_id, "failed", pr_number=n) for n in range(1, 9)]
    highest, refusals = 0, Counter[str]()

    async def run_lifecycle(number: int) -> None:
        stub, pr_number = callers[number % CONNECTIONS], number % 8 + 1
        commit = (COMMIT, OTHER_COMMIT)[number % 2]
        environment = (await ensure(stub, project_id, pr_number=pr_number, commit_hash=commit)).environment
        await stub.UpdateEnvironment(environment_pb2.UpdateEnvironmentRequest(id=environment.id, vm_id=f"i-{number}"))
        for status in ("building", "deploying", "ready", "failed", "building"):
            refusals.update((await outcomes([transition(stub, environment.id, status)]))[1])
        await terminate(stub, environment.id)
        await make_environment(stub, project_id, pr_number=pr_number)

    retries = (transition(callers[n % CONNECTIONS], one, "building") for n, one in enumerate(failed))
    changes = asyncio.ensure_future(outcomes([*(run_lifecycle(number) for number in range(40)), *retries]))
    while not changes.done():
        highest = max(highest, await count_live(database_url, project_id))
    refusals.update((await changes)[1])

    assert highest == 4
    assert set(refusals) <= {"ENVIRONMENT_QUOTA_EXCEEDED", "ENVIRONMENT_EXISTS", "ILLEGAL_TRANSITION"}


async def test_parallel_ensures_create_one_environment(
    callers: list[EnvironmentServiceAsyncStub], database_url: str, project_id: str
) -> None:
    async with blocking_transaction(database_url, LOCK_PROJECT, project_id, waiting=POOL_SIZE):
        race = asyncio.ensure_future(outcomes(ensure(callers[n % CONNECTIONS], project_id) for n in range(50)))
    answers, refusals = await race

    assert not refusals
    assert [answer.created for answer in answers].count(True) == 1
    assert len({answer.environment.SerializeToString() for answer in answers}) == 1
    assert await count_live(database_url, project_id) == 1


async def test_parallel_ensures_and_creations_create_one_environment(
    callers: list[EnvironmentServiceAsyncStub], database_url: str, project_id: str
) -> None:
    commits = [f"{n:040x}" for n in range(20)]
    ensures = (ensure(callers[n % CONNECTIONS], project_id, commit_hash=c) for n, c in enumerate(commits))
    creates = (make_environment(callers[n % CONNECTIONS], project_id, pr_number=7) for n in range(20))
    _, refusals = await outcomes([*creates, *ensures])

    assert refusals["ENVIRONMENT_EXISTS"] in {19, 20}
    assert refusals.total() == refusals["ENVIRONMENT_EXISTS"]
    assert await count_live(database_url, project_id) == 1
    left = await get_environment(callers[0], pull_request={"project_id": project_id, "pr_number": 7})
    assert left.commit_hash in commits


async def test_parallel_ensure_and_terminate_are_serialized(
    callers: list[EnvironmentServiceAsyncStub], database_url: str, teams: TeamServiceAsyncStub
) -> None:
    for _ in range(25):
        project_id = await make_project(teams, database_url, quota=1)
        old = await insert_environment(database_url, project_id, "ready", pr_number=7)

        answers, refusals = await outcomes(
            [ensure(callers[0], project_id, commit_hash=OTHER_COMMIT), terminate(callers[1], old)]
        )

        assert not refusals
        created = answers[0].created
        assert (answers[0].environment.id != old) == created
        assert await count_live(database_url, project_id) == created


async def test_ensure_that_waits_for_a_termination_creates_an_environment(
    environments: EnvironmentServiceAsyncStub, database_url: str, project_id: str
) -> None:
    old = await insert_environment(database_url, project_id, "ready", pr_number=7)

    ended = "UPDATE environments SET status = 'terminated' WHERE id = %s"
    async with blocking_transaction(database_url, ended, old):
        call = asyncio.ensure_future(ensure(environments, project_id))

    answer = await call
    assert answer.created
    assert status_of(answer.environment) == "pending"


@pytest.mark.parametrize(("old", "new"), [("ready", "building"), ("building", "deploying"), ("failed", "terminated")])
async def test_one_of_many_equal_transitions_succeeds(
    callers: list[EnvironmentServiceAsyncStub], database_url: str, project_id: str, old: str, new: str
) -> None:
    environment_id = await insert_environment(database_url, project_id, old)
    before = await get_environment(callers[0], id=environment_id)

    async with blocking_transaction(database_url, LOCK_ENVIRONMENT, environment_id, waiting=POOL_SIZE):
        calls = (transition(callers[n % CONNECTIONS], environment_id, new) for n in range(POOL_SIZE))
        race = asyncio.ensure_future(outcomes(calls))
    made, refusals = await race

    assert len(made) == 1
    assert refusals == {"ILLEGAL_TRANSITION": POOL_SIZE - 1}
    assert before.etag != made[0].etag
    assert await get_environment(callers[0], id=environment_id) == made[0]


async def test_one_of_many_updates_with_one_etag_succeeds(
    callers: list[EnvironmentServiceAsyncStub], database_url: str, project_id: str
) -> None:
    made = await make_environment(callers[0], project_id)

    def update(number: int) -> Awaitable[environment_pb2.UpdateEnvironmentResponse]:
        request = environment_pb2.UpdateEnvironmentRequest(id=made.id, etag=made.etag, vm_id=f"i-{number}")
        return callers[number % CONNECTIONS].UpdateEnvironment(request)

    async with blocking_transaction(database_url, LOCK_ENVIRONMENT, made.id, waiting=POOL_SIZE):
        race = asyncio.ensure_future(outcomes(update(number) for number in range(POOL_SIZE)))
    changed, refusals = await race

    assert len(changed) == 1
    assert refusals == {"ETAG_STALE": POOL_SIZE - 1}


async def test_team_is_not_deleted_during_the_creation_of_environments(
    callers: list[EnvironmentServiceAsyncStub], teams: TeamServiceAsyncStub, database_url: str
) -> None:
    for _ in range(10):
        project_id = await make_project(teams, database_url)
        deletion = teams.DeleteTeam(team_pb2.DeleteTeamRequest(id=await team_of(database_url, project_id)))

        creates = (make_environment(caller, project_id) for caller in callers)
        _, refusals = await outcomes([deletion, *creates])

        is_deleted = "TEAM_HAS_LIVE_ENVIRONMENTS" not in refusals
        assert await count_live(database_url, project_id) == (0 if is_deleted else CONNECTIONS)


@pytest.mark.parametrize(
    ("change", "code", "reason"),
    [
        (
            "UPDATE projects SET is_active = false WHERE id = %s",
            grpc.StatusCode.FAILED_PRECONDITION,
            "PROJECT_ARCHIVED",
        ),
        ("DELETE FROM projects WHERE id = %s", grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND"),
    ],
)
async def test_creation_waits_for_a_change_of_the_project(
    environments: EnvironmentServiceAsyncStub,
    database_url: str,
    project_id: str,
    change: str,
    code: grpc.StatusCode,
    reason: str,
) -> None:
    async with blocking_transaction(database_url, change, project_id):
        call = asyncio.ensure_future(make_environment(environments, project_id))

    with refused(code, reason=reason):
        await call


@pytest.mark.parametrize(("old", "new"), [("pending", "building"), ("building", "deploying"), ("deploying", "ready")])
async def test_transition_waits_for_the_deletion_of_the_team(
    environments: EnvironmentServiceAsyncStub, database_url: str, project_id: str, old: str, new: str
) -> None:
    environment_id = await insert_environment(database_url, project_id, old)
    team_id = await team_of(database_url, project_id)

    async with blocking_transaction(database_url, "UPDATE teams SET deleted_at = now() WHERE id = %s", team_id):
        call = asyncio.ensure_future(transition(environments, environment_id, new))

    with refused(grpc.StatusCode.FAILED_PRECONDITION, reason="TEAM_DELETED"):
        await call
    assert status_of(await get_environment(environments, id=environment_id)) == old


async def test_termination_does_not_wait_for_the_team(
    environments: EnvironmentServiceAsyncStub, database_url: str, project_id: str
) -> None:
    environment_id = await insert_environment(database_url, project_id, "ready")
    team_id = await team_of(database_url, project_id)

    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute("SELECT FROM teams WHERE id = %s FOR UPDATE", [team_id])
        ended = await asyncio.wait_for(terminate(environments, environment_id), timeout=10)

    assert status_of(ended) == "terminated"
