from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.fuzz_server import run_concurrently
from tests.support.methods import METHODS
from tests.support.mutations import combinations, mutated, mutations_of
from tests.support.seeds import SEEDS, seed
from tests.support.verdict import complaints
from tests.support.world import Renewable, call_rpc, paper_world

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from google.protobuf.descriptor import Descriptor

    from tests.support.fuzz_server import FuzzServer
    from tests.support.methods import Method
    from tests.support.mutations import Mutation
    from tests.support.world import World

RANDOM_SEED = 20261122
COMBINATIONS = 10

every_method = pytest.mark.parametrize("method", METHODS, ids=str)


def cases_of(method: Method) -> list[tuple[int, tuple[Mutation, ...]]]:
    """Return the mutations to apply to each variant of an RPC's requests."""
    cases = []
    for variant in range(len(SEEDS[method.name])):
        mutations = mutations_of(seed(method.name, paper_world(), variant))
        several = combinations(mutations, COMBINATIONS, f"{RANDOM_SEED} {method.name} {variant}")
        cases += [(variant, case) for case in [*((mutation,) for mutation in mutations), *several]]
    return cases


@every_method
async def test_seeds_succeed(fuzz_server: FuzzServer, module_world: World, method: Method) -> None:
    for variant in range(len(SEEDS[method.name])):
        current = await Renewable(fuzz_server.channel, method.name, module_world).ready()

        await call_rpc(fuzz_server.channel, method.name, seed(method.name, current, variant))


@every_method
def test_every_field_is_mutated(method: Method) -> None:
    assert {mutation.field for _, case in cases_of(method) for mutation in case} >= set(paths_of(method.input))


def paths_of(message: Descriptor, outer: str = "") -> Iterator[str]:
    for field in message.fields:
        yield f"{outer}{field.name}"
        if field.message_type and field.message_type.file.package == message.file.package:
            yield from paths_of(field.message_type, f"{outer}{field.name}.")


def test_there_are_thousands_of_cases() -> None:
    count = sum(len(cases_of(method)) for method in METHODS)

    print(f"{count} cases of bad input")  # noqa: T201 - shows the number of cases with -s
    assert count >= 5_000


@every_method
async def test_mutated_requests_are_refused_and_the_error_names_the_field(
    fuzz_server: FuzzServer, world: World, method: Method
) -> None:
    def worker() -> Callable[[tuple[int, tuple[Mutation, ...]]], Awaitable[list[str]]]:
        renewable = Renewable(fuzz_server.channel, method.name, world)

        async def complain(case: tuple[int, tuple[Mutation, ...]]) -> list[str]:
            variant, mutations = case
            raw = mutated(seed(method.name, await renewable.ready(), variant), *mutations)
            refusal = await fuzz_server.send(method, raw)
            if refusal is None:
                renewable.use()
            found = complaints(method, raw, mutations, refusal)
            return [f"{', '.join(map(str, mutations))}: {complaint}" for complaint in found]

        return complain

    async with fuzz_server.unharmed():
        found = await run_concurrently(cases_of(method), worker)
    assert not found, "\n".join(found[:40])
