from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import grpc
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stagely_rpc.environments.service import TRANSITIONS
from tests.support.environments import (
    STATUSES,
    get_environment,
    insert_environment,
    make_environment,
    status_of,
    terminate,
    transition,
)
from tests.support.refusals import refused

if TYPE_CHECKING:
    from stagely.v1.environment_pb2_grpc import EnvironmentServiceAsyncStub

UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"

# Taken from the contract, not from the code under test.
LEGAL = {
    ("pending", "building"),
    ("building", "deploying"),
    ("deploying", "ready"),
    ("ready", "building"),
    ("ready", "deploying"),
    ("pending", "failed"),
    ("building", "failed"),
    ("deploying", "failed"),
    ("ready", "failed"),
    ("failed", "building"),
    *product(("pending", "building", "deploying", "ready", "failed"), ("terminated", "reaped")),
}


def test_transition_table_matches_the_contract() -> None:
    assert {(old, new) for old, allowed in TRANSITIONS.items() for new in allowed} == LEGAL
    assert set(TRANSITIONS) == set(STATUSES)


async def test_transition_table_matches_the_database_trigger(database_url: str, project_id: str) -> None:
    allowed = set()
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        for old, new in product(STATUSES, repeat=2):
            environment_id = await insert_environment(database_url, project_id, old)
            if await is_allowed(connection, environment_id, new):
                allowed.add((old, new))

    # A write of the same status is allowed by the trigger, but refused by the service.
    unchanged = {(status, status) for status in STATUSES}
    assert allowed - unchanged == {(old, new) for old, to in TRANSITIONS.items() for new in to}


async def is_allowed(connection: psycopg.AsyncConnection, environment_id: str, status: str) -> bool:
    try:
        async with connection.transaction():
            await connection.execute("UPDATE environments SET status = %s WHERE id = %s", [status, environment_id])
    except psycopg.errors.CheckViolation as refusal:
        if refusal.diag.constraint_name != "environment_status_transition":
            raise
        return False
    return True


@pytest.mark.parametrize(("old", "new"), list(product(STATUSES, repeat=2)))
async def test_each_transition_is_allowed_or_refused_as_in_the_contract(
    environments: EnvironmentServiceAsyncStub, database_url: str, project_id: str, old: str, new: str
) -> None:
    environment_id = await insert_environment(database_url, project_id, old)
    before = await get_environment(environments, id=environment_id)

    if (old, new) in LEGAL:
        after = await transition(environments, environment_id, new)
        assert status_of(after) == new
        assert after.etag != before.etag
        assert after.HasField("deployed_at") == (new == "ready")
        assert after.HasField("terminated_at") == (new in {"terminated", "reaped"})
        assert await get_environment(environments, id=environment_id) == after
    else:
        with refused(grpc.StatusCode.FAILED_PRECONDITION, reason="ILLEGAL_TRANSITION") as refusal:
            await transition(environments, environment_id, new)
        assert f"is {old}: it can't become {new}" in refusal.message
        assert await get_environment(environments, id=environment_id) == before


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(walk=st.lists(st.sampled_from(STATUSES), min_size=1, max_size=15))
async def test_random_walk_follows_the_table(
    environments: EnvironmentServiceAsyncStub, project_id: str, walk: list[str]
) -> None:
    environment = await make_environment(environments, project_id)
    statuses = ["pending"]

    for new in walk:
        if (statuses[-1], new) in LEGAL:
            environment = await transition(environments, environment.id, new, etag=environment.etag)
            statuses.append(new)
        else:
            with refused(grpc.StatusCode.FAILED_PRECONDITION, reason="ILLEGAL_TRANSITION"):
                await transition(environments, environment.id, new, etag=environment.etag)
        assert status_of(environment) == statuses[-1]
        assert environment.HasField("deployed_at") == ("ready" in statuses)
        assert environment.HasField("terminated_at") == (statuses[-1] in {"terminated", "reaped"})

    assert await get_environment(environments, id=environment.id) == environment


async def test_deployed_at_is_the_last_time_of_becoming_ready(
    environments: EnvironmentServiceAsyncStub, database_url: str, project_id: str
) -> None:
    environment_id = await insert_environment(database_url, project_id, "deploying")
    first = await transition(environments, environment_id, "ready")

    again = await transition(environments, environment_id, "deploying")
    assert again.deployed_at == first.deployed_at

    second = await transition(environments, environment_id, "ready")
    assert second.deployed_at.ToNanoseconds() > first.deployed_at.ToNanoseconds()


async def test_stale_etag_is_refused_before_the_transition_is_checked(
    environments: EnvironmentServiceAsyncStub, project_id: str
) -> None:
    made = await make_environment(environments, project_id)
    building = await transition(environments, made.id, "building", etag=made.etag)

    for change in (
        transition(environments, made.id, "building", etag=made.etag),
        terminate(environments, made.id, made.etag),
    ):
        with refused(grpc.StatusCode.ABORTED, reason="ETAG_STALE"):
            await change

    assert await get_environment(environments, id=made.id) == building


@pytest.mark.parametrize("status", STATUSES)
async def test_transition_of_an_unknown_environment_is_not_found(
    environments: EnvironmentServiceAsyncStub, status: str
) -> None:
    with refused(grpc.StatusCode.NOT_FOUND) as refusal:
        await transition(environments, UNKNOWN_ID, status)

    assert refusal.details["ResourceInfo"].resource_type == "stagely.v1.Environment"


async def test_second_termination_is_refused(environments: EnvironmentServiceAsyncStub, project_id: str) -> None:
    made = await make_environment(environments, project_id)

    ended = await terminate(environments, made.id, etag=made.etag)

    assert status_of(ended) == "terminated"
    assert ended.terminated_at.ToNanoseconds() >= made.created_at.ToNanoseconds()
    with refused(grpc.StatusCode.FAILED_PRECONDITION, reason="ILLEGAL_TRANSITION") as refusal:
        await terminate(environments, made.id)
    assert refusal.details["PreconditionFailure"].violations[0].subject == f"Environment {made.id}"


async def test_termination_of_an_unknown_environment_is_not_found(environments: EnvironmentServiceAsyncStub) -> None:
    with refused(grpc.StatusCode.NOT_FOUND):
        await terminate(environments, UNKNOWN_ID)
