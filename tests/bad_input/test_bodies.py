from __future__ import annotations

import random
from typing import TYPE_CHECKING

import grpc
import pytest

from tests.support import wire
from tests.support.fuzz_server import run_concurrently
from tests.support.methods import METHOD, METHODS
from tests.support.seeds import SEEDS, seed
from tests.support.verdict import complaints
from tests.support.world import Renewable, World

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.fuzz_server import FuzzServer
    from tests.support.methods import Method

    Corruption = Callable[[random.Random, bytes], bytes]

RANDOM_SEED = 20261122
RECEIVE_LIMIT_BYTES = 4 * 1024 * 1024

every_method = pytest.mark.parametrize("method", METHODS, ids=str)


def noise(chance: random.Random, valid: bytes) -> bytes:
    del valid
    return chance.randbytes(chance.choice((1, 2, 3, 5, 8, 13, 100, 1000)))


def with_changed_byte(chance: random.Random, valid: bytes) -> bytes:
    changed = bytearray(valid or b"\0")
    changed[chance.randrange(len(changed))] ^= chance.randrange(1, 256)
    return bytes(changed)


def truncated(chance: random.Random, valid: bytes) -> bytes:
    return valid[: chance.randrange(len(valid) or 1)]


async def complaints_about(
    fuzz_server: FuzzServer, world: World, method: Method, corruptions: list[Corruption]
) -> list[str]:
    """Send corrupted forms of valid requests. Return descriptions of wrong answers."""
    chance = random.Random(f"{RANDOM_SEED} {method.name}")  # noqa: S311 - must be reproducible

    def worker() -> Callable[[tuple[int, Corruption]], Awaitable[list[str]]]:
        renewable = Renewable(fuzz_server.channel, method.name, world)

        async def complain(case: tuple[int, Corruption]) -> list[str]:
            variant, corrupt = case
            raw = corrupt(chance, seed(method.name, await renewable.ready(), variant).SerializeToString())
            refusal = await fuzz_server.send(method, raw)
            if refusal is None:
                renewable.use()
            return [f"{raw[:200]!r}: {complaint}" for complaint in complaints(method, raw, (), refusal)]

        return complain

    variants = range(len(SEEDS[method.name]))
    return await run_concurrently([(variant, corrupt) for variant in variants for corrupt in corruptions], worker)


@every_method
async def test_corrupted_bodies_are_refused(fuzz_server: FuzzServer, module_world: World, method: Method) -> None:
    async with fuzz_server.unharmed():
        found = await complaints_about(
            fuzz_server, module_world, method, [*[noise] * 8, *[with_changed_byte] * 8, *[truncated] * 4]
        )
    assert not found, "\n".join(found[:40])


@pytest.mark.parametrize("name", ["TeamService.CreateTeam", "ProjectService.UpdateProject", "SecretService.SetSecret"])
async def test_truncated_body_is_refused(fuzz_server: FuzzServer, module_world: World, name: str) -> None:
    length = len(seed(name, module_world).SerializeToString())
    prefixes: list[Corruption] = [lambda _, valid, end=end: valid[:end] for end in range(length)]  # type: ignore[misc]

    async with fuzz_server.unharmed():
        found = await complaints_about(fuzz_server, module_world, METHOD[name], prefixes)
    assert not found, "\n".join(found[:40])


async def test_body_over_the_limit_is_refused_without_being_read(fuzz_server: FuzzServer) -> None:
    method = METHOD["CryptoService.Encrypt"]
    field = method.request.DESCRIPTOR.fields_by_name["plaintext"].number

    async with fuzz_server.unharmed():
        over = await fuzz_server.send(method, wire.chunk(field, bytes(RECEIVE_LIMIT_BYTES)))
        at_most = await fuzz_server.send(method, wire.chunk(field, bytes(RECEIVE_LIMIT_BYTES - 10)))

    assert over is not None
    assert over.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert at_most is not None
    assert at_most.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_request_of_another_rpc_causes_no_internal_error(fuzz_server: FuzzServer, module_world: World) -> None:
    raw = seed("ProjectService.CreateProject", module_world).SerializeToString()
    harmless = [method for method in METHODS if not method.name.endswith(("DeleteTeam", "DeleteProject"))]

    async def complain(method: Method) -> list[str]:
        return complaints(method, raw, (), await fuzz_server.send(method, raw))

    async with fuzz_server.unharmed():
        assert await run_concurrently(harmless, lambda: complain) == []
