"""Hostile credentials and headers are refused with a clear error, and other callers are still served."""

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
from tests.support.access.auth_server import send
from tests.support.call_metadata import headers_of
from tests.support.fuzz_server import run_concurrently
from tests.support.http2 import HEADERS, call, exchange, message, payloads
from tests.support.refusals import refused
from tests.support.rpc import connected, settings_of
from tests.support.tokens import AUTHENTICATION, token, unsigned_token

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.support.access.auth_server import AuthServer

GENERATE_ID = "/stagely.v1.IdService/GenerateId"
CONTROL_BYTES = [chr(code) for code in (*range(0x20), 0x7F)]
VALID = f"Bearer {token('reaper', 'ids.*')}"

KIB = 1024
FLOOD = 3_000


async def generate_id(auth_server: AuthServer, *headers: tuple[str, str | bytes]) -> None:
    """Call GenerateId with these headers."""
    await send(auth_server.channel, GENERATE_ID, b"", headers)


async def test_two_authorization_headers_are_refused(auth_server: AuthServer) -> None:
    for other in (VALID, "Bearer x", "Basic dTpw", ""):
        for pair in ((VALID, other), (other, VALID)):
            with refused(grpc.StatusCode.UNAUTHENTICATED, reason="TOKEN_MALFORMED"):
                await generate_id(auth_server, *(("authorization", credential) for credential in pair))


@pytest.mark.parametrize("credential", ["Basic dXNlcjpwYXNz", "Digest x", "Bearer", "Bearer ", "", " ", "Token sesame"])
async def test_non_bearer_credential_is_refused(auth_server: AuthServer, credential: str) -> None:
    with refused(grpc.StatusCode.UNAUTHENTICATED, reason="TOKEN_MALFORMED"):
        await generate_id(auth_server, ("authorization", credential))


async def test_two_tokens_in_one_header_are_refused(auth_server: AuthServer) -> None:
    for credential in (f"{VALID},{VALID}", f"{VALID}, {VALID}", f"{VALID} {VALID}"):
        with refused(grpc.StatusCode.UNAUTHENTICATED, reason="TOKEN_MALFORMED"):
            await generate_id(auth_server, ("authorization", credential))


async def test_scheme_is_case_insensitive(auth_server: AuthServer) -> None:
    for scheme in ("bearer", "BEARER"):
        await generate_id(auth_server, ("authorization", f"{scheme} {VALID.removeprefix('Bearer ')}"))


async def test_binary_header_is_ignored(auth_server: AuthServer) -> None:
    with refused(grpc.StatusCode.UNAUTHENTICATED, reason="TOKEN_MISSING"):
        await generate_id(auth_server, ("authorization-bin", VALID.encode()))
    await generate_id(
        auth_server, ("authorization", VALID), ("authorization-bin", b"x"), ("x-stagely-user-id-bin", b"x")
    )


async def test_repeated_or_malformed_user_id_is_refused(auth_server: AuthServer) -> None:
    owner = auth_server.user_ids["owner"]
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
            await generate_id(auth_server, headers, *users)


@pytest.mark.parametrize("byte", CONTROL_BYTES, ids=lambda byte: f"{ord(byte):#04x}")
async def test_control_bytes_in_headers_are_refused(auth_server: AuthServer, server: Server, byte: str) -> None:
    """No client library sends control bytes, but gRPC passes them on. The second server has authentication off."""
    malformed = {"authorization": f"Bearer a.b{byte}.c"}
    user_id = {"x-stagely-user-id": f"{byte}5e1f0c3a-9b7d-4268-8a3c-0d1e2f3a4b5c"[:36]}

    for port, headers, reason in ((auth_server.server.port, malformed, b"malformed"), (server.port, user_id, b"UUID")):
        sent = call(message(b""), changes={":path": GENERATE_ID, **headers})
        answer = await exchange(port, sent, seconds=10, until=reason)
        assert reason in b"".join(payloads(answer, HEADERS))


@pytest.mark.parametrize("kib", [17, 24, 28])
async def test_token_over_the_limit_is_malformed(auth_server: AuthServer, kib: int) -> None:
    for _ in range(20):
        with refused(grpc.StatusCode.UNAUTHENTICATED, reason="TOKEN_MALFORMED"):
            await generate_id(auth_server, ("authorization", f"Bearer {'a' * kib * KIB}"))


async def test_token_below_the_limit_is_always_accepted(auth_server: AuthServer) -> None:
    large = token("reaper", "ids.*", groups=["one of many groups"] * 500)
    assert 9 * KIB < len(large) < 16 * KIB

    for _ in range(20):
        await generate_id(auth_server, ("authorization", f"Bearer {large}"))


@pytest.mark.parametrize("size", [64 * KIB, 1_000_000])
async def test_token_over_the_metadata_limit_is_refused_by_grpc(auth_server: AuthServer, size: int) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await generate_id(auth_server, ("authorization", f"Bearer {'a' * size}"))

    assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "metadata size exceeds" in (error.value.details() or "")
    await generate_id(auth_server, ("authorization", VALID))


def invalid_token(chance: random.Random, number: int) -> str:
    """Return a new token that is invalid in one of many ways."""
    valid = token(f"reaper-{number}", "*")
    index = chance.randrange(len(valid))
    ways: list[Callable[[], str]] = [
        lambda: token(f"reaper-{number}", "*", secret="another secret that the service does not know"),
        lambda: token(f"reaper-{number}", "*", exp=number),
        lambda: token(f"reaper-{number}", "*", aud=f"audience-{number}"),
        lambda: unsigned_token(f"reaper-{number}", "*"),
        lambda: chance.randbytes(200).hex(),
        lambda: valid[:index],
        lambda: f"{valid[:index]}!{valid[index:]}",
    ]
    return chance.choice(ways)()


@pytest.fixture
async def production_channel(auth_server: AuthServer) -> AsyncIterator[grpc.aio.Channel]:
    """A client of a server as in production, without the search of responses for secrets that other tests add."""
    server = Server(settings_of(auth_server.database_url, **AUTHENTICATION))
    await server.start()
    async with connected(server) as channel:
        yield channel
    await server.stop()


async def test_flood_of_invalid_tokens_does_not_leak_memory(production_channel: grpc.aio.Channel) -> None:
    chance = random.Random(20261122)  # noqa: S311 - the tokens must be the same in each run

    async def refuse(number: int) -> list[str]:
        try:
            await send(production_channel, GENERATE_ID, b"", headers_of(invalid_token(chance, number)))
        except grpc.aio.AioRpcError as error:
            return [] if error.code() is grpc.StatusCode.UNAUTHENTICATED else [str(error)]
        return ["granted"]

    assert await run_concurrently(range(FLOOD // 10), lambda: refuse) == []  # warms up the caches
    before = await allocated_blocks()
    assert await run_concurrently(range(FLOOD), lambda: refuse) == []
    assert await allocated_blocks() - before < FLOOD // 3


async def allocated_blocks() -> int:
    """Return the number of allocated blocks. tracemalloc is exact, but with it 10,000 calls take a minute."""
    # Objects that the next turns of the event loop free are not leaks.
    await asyncio.sleep(0.5)
    gc.collect()
    return sys.getallocatedblocks()


async def test_valid_callers_are_served_during_a_flood_of_invalid_tokens(auth_server: AuthServer) -> None:
    ids = id_pb2_grpc.IdServiceStub(auth_server.operator)

    async def refuse(number: int) -> list[str]:
        with refused(grpc.StatusCode.UNAUTHENTICATED):
            await generate_id(auth_server, ("authorization", f"Bearer {number}"))
        return []

    flood = asyncio.create_task(run_concurrently(range(500), lambda: refuse))
    while not flood.done():
        assert (await ids.GenerateId(id_pb2.GenerateIdRequest(), timeout=2)).id

    assert await flood == []
