"""Every RPC is called by every kind of caller. The outcome is what its policy says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import grpc
import pytest

from tests.support.access.attempts import SELF, Outcome, attempts_on
from tests.support.access.policies import is_collection, policy_of
from tests.support.access.requests import request_of
from tests.support.fuzz_server import run_concurrently
from tests.support.lists import rows_of
from tests.support.methods import METHODS
from tests.support.refusals import refusal_of
from tests.support.seeds import SEEDS
from tests.support.world import Renewable, paper_world

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.access.attempts import Attempt
    from tests.support.access.auth_server import AuthServer
    from tests.support.call_metadata import Headers
    from tests.support.methods import Method
    from tests.support.world import World

    Case = tuple[int, Attempt]

GARBAGE = b"\xff\xff\xff"

every_method = pytest.mark.parametrize("method", METHODS, ids=str)


def cases_of(method: Method, *, granted: bool) -> list[Case]:
    variants = range(len(SEEDS[method.name]))
    attempts = [attempt for attempt in attempts_on(method) if attempt.outcome.is_granted is granted]
    return [(variant, attempt) for variant in variants for attempt in attempts]


def headers_for(attempt: Attempt, auth_server: AuthServer, world: World) -> Headers:
    users = {**auth_server.user_ids, SELF: world.user.id}
    given = {
        "authorization": attempt.authorization,
        "x-stagely-user-id": attempt.acting_for and users[attempt.acting_for],
    }
    return tuple((name, value) for name, value in given.items() if value is not None)


async def mismatches(
    auth_server: AuthServer, method: Method, raw: bytes, attempt: Attempt, headers: Headers
) -> list[str]:
    """Make an attempt. Return how the outcome differs from the expected one."""
    try:
        responses = await auth_server.call_raw(method, raw, headers)
    except grpc.aio.AioRpcError as error:
        refusal = refusal_of(error)
        outcome = Outcome(refusal.code, refusal.reason)
        if any(len(part) > 9 and part in str(error) for part in re.split(r"[ .]", attempt.authorization or "")):
            return [f"{attempt.name}: the refusal shows the token"]
    else:
        outcome = Outcome(grpc.StatusCode.OK, is_empty=is_collection(method) and not rows_of(responses[0]))
    return [] if outcome == attempt.outcome else [f"{attempt.name}: {outcome} instead of {attempt.outcome}"]


@pytest.mark.usefixtures("other_world")
@every_method
async def test_unauthorized_caller_is_refused_and_changes_nothing(
    auth_server: AuthServer, world: World, method: Method
) -> None:
    async def attempt_case(case: Case) -> list[str]:
        variant, attempt = case
        raw = request_of(method, world, variant).SerializeToString()
        return await mismatches(auth_server, method, raw, attempt, headers_for(attempt, auth_server, world))

    async with auth_server.unchanged():
        found = await run_concurrently(cases_of(method, granted=False), lambda: attempt_case)
    assert not found, "\n".join(found)


@pytest.mark.usefixtures("other_world")
@every_method
async def test_authorized_caller_is_granted_access(auth_server: AuthServer, world: World, method: Method) -> None:
    def worker() -> Callable[[Case], Awaitable[list[str]]]:
        renewable = Renewable(auth_server.operator, method.name, world)

        async def attempt_case(case: Case) -> list[str]:
            variant, attempt = case
            target = await renewable.ready()
            await auth_server.add_members(target.team.id)
            raw = request_of(method, target, variant).SerializeToString()
            found = await mismatches(auth_server, method, raw, attempt, headers_for(attempt, auth_server, target))
            renewable.use()
            return found

        return attempt_case

    found = await run_concurrently(cases_of(method, granted=True), worker)
    assert not found, "\n".join(found)


@every_method
async def test_caller_is_checked_before_the_request(auth_server: AuthServer, world: World, method: Method) -> None:
    """The caller is refused before the request is parsed and before its resource is read."""
    refused = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}
    reasons = ("TOKEN_", "PERMISSION_MISSING", "ACTING_USER", "USER_NOT_ALLOWED")
    attempts = [
        attempt
        for attempt in attempts_on(method)
        if attempt.outcome.code in refused and attempt.outcome.reason.startswith(reasons)
    ]
    missing = request_of(method, paper_world(), 0).SerializeToString()

    async def attempt_case(case: tuple[bytes, Attempt]) -> list[str]:
        raw, attempt = case
        return await mismatches(auth_server, method, raw, attempt, headers_for(attempt, auth_server, world))

    found = await run_concurrently(
        [(raw, attempt) for raw in (missing, GARBAGE) for attempt in attempts], lambda: attempt_case
    )
    assert not found, "\n".join(found)


def test_matrix_has_at_least_1500_cases() -> None:
    cases = [case for method in METHODS for granted in (True, False) for case in cases_of(method, granted=granted)]

    print(f"{len(cases)} access cases")  # noqa: T201 - with -s, pytest shows the current number
    assert len(cases) >= 1_500


@every_method
def test_every_method_has_granted_and_refused_attempts(method: Method) -> None:
    """The attempts on each RPC include a success, a missing token and a missing permission."""
    outcomes = {attempt.outcome.reason for attempt in attempts_on(method)}

    assert {"", "TOKEN_MISSING", "PERMISSION_MISSING"} <= outcomes
    assert policy_of(method).permission
