from __future__ import annotations

import gc
import time
import tracemalloc
from typing import Any

import jwt
import pytest

from stagely_rpc.errors import UnauthenticatedError
from stagely_rpc.identity.tokens import LEEWAY_SECONDS, MAX_CACHED_TOKENS, TokenVerifier
from tests.support.identity.clocks import Clock
from tests.support.identity.expecting import unauthenticated
from tests.support.identity.tokens import OTHER_SECRET, SECRET, hmac_token


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens whose signatures were verified, with one entry for each verification."""
    seen: list[str] = []
    decode = jwt.decode

    def note(token: str, *arguments: Any, **options: Any) -> dict[str, Any]:
        seen.append(token)
        claims: dict[str, Any] = decode(token, *arguments, **options)
        return claims

    monkeypatch.setattr(jwt, "decode", note)
    return seen


async def test_signature_is_verified_once(decoded: list[str]) -> None:
    verifier, token = TokenVerifier(secrets=[SECRET]), hmac_token()

    callers = [await verifier.verify(token) for _ in range(3)]

    assert callers[0] is callers[1] is callers[2]
    assert decoded == [token]


async def test_refused_token_is_verified_again_each_time(decoded: list[str]) -> None:
    verifier, token = TokenVerifier(secrets=[SECRET]), hmac_token(OTHER_SECRET)

    for _ in range(3):
        with unauthenticated("TOKEN_SIGNATURE_INVALID"):
            await verifier.verify(token)

    assert len(decoded) == 3
    assert not verifier._cache


async def test_cached_token_expires_at_the_same_time_as_a_new_one() -> None:
    now = int(time.time())
    clock = Clock(now)
    verifier, token = TokenVerifier(secrets=[SECRET], clock=clock), hmac_token(exp=now + 60)
    await verifier.verify(token)

    clock.now = now + 60 + LEEWAY_SECONDS - 1
    await verifier.verify(token)
    clock.now += 1

    for each in (verifier, TokenVerifier(secrets=[SECRET], clock=clock)):
        with unauthenticated("TOKEN_EXPIRED"):
            await each.verify(token)
    assert not verifier._cache


async def test_cache_keeps_the_most_recently_used_tokens_up_to_its_limit(decoded: list[str]) -> None:
    verifier, first = TokenVerifier(secrets=[SECRET]), hmac_token(jti="first")
    await verifier.verify(first)
    for number in range(MAX_CACHED_TOKENS + 10):
        await verifier.verify(hmac_token(jti=str(number)))
        if number % 1000 == 0:
            await verifier.verify(first)
    await verifier.verify(first)

    assert len(verifier._cache) == MAX_CACHED_TOKENS
    assert decoded.count(first) == 1


async def test_cache_does_not_contain_tokens() -> None:
    verifier, token = TokenVerifier(secrets=[SECRET]), hmac_token()
    await verifier.verify(token)

    for shown in (repr(verifier), repr(vars(verifier))):
        assert token not in shown
        assert token.rpartition(".")[2] not in shown
        assert SECRET.decode() not in shown


async def test_memory_does_not_grow_with_invalid_tokens() -> None:
    verifier = TokenVerifier(secrets=[SECRET])
    token = hmac_token(OTHER_SECRET)

    async def refuse(numbers: range) -> None:
        for number in numbers:
            with pytest.raises(UnauthenticatedError):
                await verifier.verify(f"{token[:-8]}{number:08}" if number % 2 else f"{number}.{token}")

    tracemalloc.start()
    try:
        await refuse(range(500))
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        await refuse(range(500, 10_500))
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    # Ten thousand digests alone would take over half a megabyte.
    assert after - before < 64 * 1024


async def test_cached_token_costs_microseconds() -> None:
    verifier, token = TokenVerifier(secrets=[SECRET]), hmac_token()
    await verifier.verify(token)

    async def seconds_for(count: int) -> float:
        started = time.perf_counter()
        for _ in range(count):
            await verifier.verify(token)
        return time.perf_counter() - started

    # A few microseconds on an idle machine. Verifying a signature takes ten times as long.
    assert min([await seconds_for(1000) for _ in range(5)]) < 1000 * 20e-6
