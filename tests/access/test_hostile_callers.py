"""What no good client shows: it is refused with a clear error, and nobody else notices."""

from __future__ import annotations

import asyncio
import gc
import random
import sys
from typing import TYPE_CHECKING

import grpc
import pytest

from stagely.v1 import id_pb2, id_pb2_grpc
from stagely_rpc.server.server import Server
from tests.support.access.stage import send
from tests.support.fuzz_server import at_once
from tests.support.http2 import HEADERS, call, message, payloads, say
from tests.support.identified import headers_of
from tests.support.refusals import refused
from tests.support.rpc import connected, settings_of
from tests.support.tokens import AUTHENTICATION, token, unsigned_token

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.support.access.stage import Stage

GENERATE_ID = "/stagely.v1.IdService/GenerateId"
CONTROL_BYTES = [chr(code) for code in (*range(0x20), 0x7F)]
VALID = f"Bearer {token('reaper', 'ids.*')}"

KIB = 1024
FLOOD = 3_000


async def show(stage: Stage, *headers: tuple[str, str | bytes]) -> None:
    """Make a call with these headers."""
    await send(stage.channel, GENERATE_ID, b"", headers)


async def test_two_tokens_are_none(stage: Stage) -> None:
    for other in (VALID, "Bearer x", "Basic dTpw", ""):
        for pair in ((VALID, other), (other, VALID)):
            with refused(grpc.StatusCode.UNAUTHENTICATED, reason="TOKEN_MALFORMED"):
                await show(stage, *(("authorization", shown) for shown in pair))


@pytest.mark.parametrize("shown", ["Basic dXNlcjpwYXNz", "Digest x", "Bearer", "Bearer ", "", " ", "Token sesame"])
async def test_what_is_no_bearer_token_is_refused(stage: Stage, shown: str) -> None:
    with refused(grpc.StatusCode.UNAUTHENTICATED, reason="TOKEN_MALFORMED"):
        await show(stage, ("authorization", shown))


async def test_tokens_in_one_header_are_no_token(stage: Stage) -> None:
    for shown in (f"{VALID},{VALID}", f"{VALID}, {VALID}", f"{VALID} {VALID}"):
        with refused(grpc.StatusCode.UNAUTHENTICATED, reason="TOKEN_MALFORMED"):
            await show(stage, ("authorization", shown))


async def test_the_scheme_is_read_in_any_case(stage: Stage) -> None:
    for scheme in ("bearer", "BEARER"):
        await show(stage, ("authorization", f"{scheme} {VALID.removeprefix('Bearer ')}"))


async def test_a_binary_header_is_another_one(stage: Stage) -> None:
    with refused(grpc.StatusCode.UNAUTHENTICATED, reason="TOKEN_MISSING"):
        await show(stage, ("authorization-bin", VALID.encode()))
    await show(stage, ("authorization", VALID), ("authorization-bin", b"x"), ("x-stagely-user-id-bin", b"x"))


async def test_a_user_is_named_once_and_in_text(stage: Stage) -> None:
    owner = stage.cast["owner"]
    headers = ("authorization", f"Bearer {token('api', '*')}")
    unclear: list[tuple[tuple[str, str], ...]] = [
        (("x-stagely-user-id", owner), ("x-stagely-user-id", owner)),
        (("x-stagely-user-id", owner), ("x-stagely-user-id", "")),
        (("x-stagely-user-id", f"{owner},{owner}"),),
        (("x-stagely-user-id", ""),),
        (("x-stagely-user-id", owner.replace("-", "")),),
        (("x-stagely-user-id", f"{{{owner}}}"),),
        (("x-stagely-user-id", f"urn:uuid:{owner}"),),
    ]
    for users in unclear:
        with refused(grpc.StatusCode.INVALID_ARGUMENT, field="x-stagely-user-id"):
            await show(stage, headers, *users)


@pytest.mark.parametrize("byte", CONTROL_BYTES, ids=lambda byte: f"{ord(byte):#04x}")
async def test_control_bytes_in_headers_are_refused(stage: Stage, server: Server, byte: str) -> None:
    """No client library sends them, and gRPC hands them over; the second server does not ask who calls."""
    shown = {"authorization": f"Bearer a.b{byte}.c"}
    acting = {"x-stagely-user-id": f"{byte}5e1f0c3a-9b7d-4268-8a3c-0d1e2f3a4b5c"[:36]}

    for port, headers, reason in ((stage.server.port, shown, b"malformed"), (server.port, acting, b"UUID")):
        sent = call(message(b""), changes={":path": GENERATE_ID, **headers})
        answer = await say(port, sent, seconds=10, until=reason)
        assert reason in b"".join(payloads(answer, HEADERS))


@pytest.mark.parametrize("kib", [17, 24, 28])
async def test_a_token_over_the_limit_is_malformed(stage: Stage, kib: int) -> None:
    for _ in range(20):
        with refused(grpc.StatusCode.UNAUTHENTICATED, reason="TOKEN_MALFORMED"):
            await show(stage, ("authorization", f"Bearer {'a' * kib * KIB}"))


async def test_a_token_up_to_the_limit_is_taken_each_time(stage: Stage) -> None:
    large = token("reaper", "ids.*", groups=["a group of many"] * 500)
    assert 9 * KIB < len(large) < 16 * KIB

    for _ in range(20):
        await show(stage, ("authorization", f"Bearer {large}"))


@pytest.mark.parametrize("size", [64 * KIB, 1_000_000])
async def test_a_token_that_is_no_header_any_more_is_refused_by_grpc(stage: Stage, size: int) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await show(stage, ("authorization", f"Bearer {'a' * size}"))

    assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "metadata size exceeds" in (error.value.details() or "")
    await show(stage, ("authorization", VALID))


def invalid_token(chance: random.Random, number: int) -> str:
    """Return a token that nobody has shown before, wrong in one of many ways."""
    valid = token(f"reaper-{number}", "*")
    place = chance.randrange(len(valid))
    ways: list[Callable[[], str]] = [
        lambda: token(f"reaper-{number}", "*", secret="another secret that the service does not know"),
        lambda: token(f"reaper-{number}", "*", exp=number),
        lambda: token(f"reaper-{number}", "*", aud=f"audience-{number}"),
        lambda: unsigned_token(f"reaper-{number}", "*"),
        lambda: chance.randbytes(200).hex(),
        lambda: valid[:place],
        lambda: f"{valid[:place]}!{valid[place:]}",
    ]
    return chance.choice(ways)()


@pytest.fixture
async def lean(stage: Stage) -> AsyncIterator[grpc.aio.Channel]:
    """A client of a server that is nothing but what runs in production: its answers are not searched for secrets."""
    server = Server(settings_of(stage.database_url, **AUTHENTICATION))
    await server.start()
    async with connected(server) as channel:
        yield channel
    await server.stop()


async def test_a_flood_of_invalid_tokens_leaves_nothing_behind(lean: grpc.aio.Channel) -> None:
    chance = random.Random(20261122)  # noqa: S311 - repeatable is what it has to be

    async def refuse(number: int) -> list[str]:
        try:
            await send(lean, GENERATE_ID, b"", headers_of(invalid_token(chance, number)))
        except grpc.aio.AioRpcError as error:
            return [] if error.code() is grpc.StatusCode.UNAUTHENTICATED else [str(error)]
        return ["granted"]

    assert await at_once(range(FLOOD // 10), lambda: refuse) == []  # whatever is made at first
    before = await allocated_blocks()
    assert await at_once(range(FLOOD), lambda: refuse) == []
    assert await allocated_blocks() - before < FLOOD // 3


async def allocated_blocks() -> int:
    """Count what Python has allocated. Tracing it is exact to the byte, and makes ten thousand calls take a minute."""
    # What calls leave for the next turn of the loop is not left behind.
    await asyncio.sleep(0.5)
    gc.collect()
    return sys.getallocatedblocks()


async def test_others_are_served_meanwhile(stage: Stage) -> None:
    ids = id_pb2_grpc.IdServiceStub(stage.operator)

    async def refuse(number: int) -> list[str]:
        with refused(grpc.StatusCode.UNAUTHENTICATED):
            await show(stage, ("authorization", f"Bearer {number}"))
        return []

    flood = asyncio.create_task(at_once(range(500), lambda: refuse))
    while not flood.done():
        assert (await ids.GenerateId(id_pb2.GenerateIdRequest(), timeout=2)).id

    assert await flood == []
