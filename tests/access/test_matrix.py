"""Every RPC of the contract by every kind of caller: what comes of it is what its policy says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import grpc
import pytest

from tests.support.access.attempts import ITSELF, Outcome, attempts_on
from tests.support.access.policies import is_collection, policy_of
from tests.support.access.requests import request_of
from tests.support.fuzz_server import at_once
from tests.support.lists import rows_of
from tests.support.methods import METHODS
from tests.support.refusals import refusal_of
from tests.support.seeds import SEEDS
from tests.support.world import Renewable, paper_world

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.access.attempts import Attempt
    from tests.support.access.stage import Stage
    from tests.support.identified import Headers
    from tests.support.methods import Method
    from tests.support.world import World

    Case = tuple[int, Attempt]

GARBAGE = b"\xff\xff\xff"

every_method = pytest.mark.parametrize("method", METHODS, ids=str)


def cases_of(method: Method, *, granted: bool) -> list[Case]:
    variants = range(len(SEEDS[method.name]))
    attempts = [attempt for attempt in attempts_on(method) if attempt.outcome.is_granted is granted]
    return [(variant, attempt) for variant in variants for attempt in attempts]


def headers_for(attempt: Attempt, stage: Stage, world: World) -> Headers:
    users = {**stage.cast, ITSELF: world.user.id}
    given = {
        "authorization": attempt.authorization,
        "x-stagely-user-id": attempt.acting_for and users[attempt.acting_for],
    }
    return tuple((name, value) for name, value in given.items() if value is not None)


async def complaints(stage: Stage, method: Method, raw: bytes, attempt: Attempt, headers: Headers) -> list[str]:
    """Make an attempt; return what is wrong with what comes of it."""
    try:
        responses = await stage.call(method, raw, headers)
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
async def test_whoever_may_not_call_it_is_refused_and_changes_nothing(
    stage: Stage, world: World, method: Method
) -> None:
    async def attempt_it(case: Case) -> list[str]:
        variant, attempt = case
        raw = request_of(method, world, variant).SerializeToString()
        return await complaints(stage, method, raw, attempt, headers_for(attempt, stage, world))

    async with stage.unchanged():
        found = await at_once(cases_of(method, granted=False), lambda: attempt_it)
    assert not found, "\n".join(found)


@pytest.mark.usefixtures("other_world")
@every_method
async def test_whoever_may_call_it_is_granted_what_they_may_see(stage: Stage, world: World, method: Method) -> None:
    def worker() -> Callable[[Case], Awaitable[list[str]]]:
        renewable = Renewable(stage.operator, method.name, world)

        async def attempt_it(case: Case) -> list[str]:
            variant, attempt = case
            about = await renewable.ready()
            await stage.enlist(about.team.id)
            raw = request_of(method, about, variant).SerializeToString()
            found = await complaints(stage, method, raw, attempt, headers_for(attempt, stage, about))
            renewable.use()
            return found

        return attempt_it

    found = await at_once(cases_of(method, granted=True), worker)
    assert not found, "\n".join(found)


@every_method
async def test_who_calls_and_whether_they_may_is_asked_before_all_else(
    stage: Stage, world: World, method: Method
) -> None:
    """Before it is looked whether there is what the request names, and before it is read at all."""
    refused = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}
    reasons = ("TOKEN_", "PERMISSION_MISSING", "ACTING_USER", "USER_NOT_ALLOWED")
    attempts = [
        attempt
        for attempt in attempts_on(method)
        if attempt.outcome.code in refused and attempt.outcome.reason.startswith(reasons)
    ]
    absent = request_of(method, paper_world(), 0).SerializeToString()

    async def attempt_it(case: tuple[bytes, Attempt]) -> list[str]:
        raw, attempt = case
        return await complaints(stage, method, raw, attempt, headers_for(attempt, stage, world))

    found = await at_once([(raw, attempt) for raw in (absent, GARBAGE) for attempt in attempts], lambda: attempt_it)
    assert not found, "\n".join(found)


def test_there_are_thousands_of_cases() -> None:
    cases = [case for method in METHODS for granted in (True, False) for case in cases_of(method, granted=granted)]

    print(f"{len(cases)} cases of access")  # noqa: T201 - with -s, how many there are today
    assert len(cases) >= 1_500


@every_method
def test_callers_are_told_apart(method: Method) -> None:
    """Each RPC is both granted and refused, and by every part of its policy."""
    outcomes = {attempt.outcome.reason for attempt in attempts_on(method)}

    assert {"", "TOKEN_MISSING", "PERMISSION_MISSING"} <= outcomes
    assert policy_of(method).permission
