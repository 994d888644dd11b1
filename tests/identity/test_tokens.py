from __future__ import annotations

import time
from typing import Any

import pytest

from stagely_rpc.errors import UnauthenticatedError
from stagely_rpc.identity import tokens
from stagely_rpc.identity.tokens import LEEWAY_SECONDS, MAX_TOKEN_BYTES, TokenVerifier
from tests.support.identity.clocks import Clock
from tests.support.identity.expecting import unauthenticated
from tests.support.identity.tokens import OTHER_SECRET, SECRET, hmac_token


def verifier(**options: Any) -> TokenVerifier:
    return TokenVerifier(**({"secrets": [SECRET]} | options))


async def test_token_names_the_calling_service_and_its_permissions() -> None:
    caller = await verifier().verify(hmac_token(sub="reaper", scope="environments.* teams.get"))

    assert caller.service == "reaper"
    assert list(caller.permissions) == ["environments.*", "teams.get"]
    assert caller.user is None


async def test_token_without_a_scope_has_no_permissions() -> None:
    assert list((await verifier().verify(hmac_token(scope=None))).permissions) == []


async def test_other_scopes_are_ignored() -> None:
    caller = await verifier().verify(hmac_token(scope="openid  teams.get api://x Teams.get teams. *.get teams.get.all"))

    assert list(caller.permissions) == ["teams.get"]


@pytest.mark.parametrize("scope", [["teams.get"], 7, {"teams": "get"}, True])
async def test_scope_that_is_not_a_string_is_refused(scope: object) -> None:
    with unauthenticated("TOKEN_MALFORMED"):
        await verifier().verify(hmac_token(scope=scope))


@pytest.mark.parametrize("secret", [SECRET, OTHER_SECRET])
async def test_old_and_new_secret_are_accepted_during_rotation(secret: bytes) -> None:
    caller = await verifier(secrets=[SECRET, OTHER_SECRET]).verify(hmac_token(secret))

    assert caller.service == "reaper"


async def test_token_of_an_unknown_secret_is_refused() -> None:
    token = hmac_token(OTHER_SECRET)

    with unauthenticated("TOKEN_SIGNATURE_INVALID", token=token):
        await verifier().verify(token)


@pytest.mark.parametrize("claim", ["exp", "sub"])
async def test_missing_required_claim_is_named(claim: str) -> None:
    with pytest.raises(UnauthenticatedError, match=f"the token has no {claim}") as refused:
        await verifier().verify(hmac_token(**{claim: None}))

    assert refused.value.reason == "TOKEN_CLAIM_MISSING"


@pytest.mark.parametrize("subject", ["", " reaper", "rea\nper", "rea\x00per", "rea\u202eper", "r" * 201, 7])
async def test_invalid_subject_is_refused(subject: object) -> None:
    with unauthenticated("TOKEN_MALFORMED"):
        await verifier().verify(hmac_token(sub=subject))


async def test_token_is_accepted_until_the_leeway_after_its_expiry() -> None:
    now = int(time.time())
    clock = Clock(now + LEEWAY_SECONDS - 1)
    token = hmac_token(exp=now)

    assert (await verifier(clock=clock).verify(token)).service == "reaper"

    clock.now += 1
    with unauthenticated("TOKEN_EXPIRED", token=token):
        await verifier(clock=clock).verify(token)


@pytest.mark.parametrize("claim", ["nbf", "iat"])
async def test_token_is_accepted_from_the_leeway_before_its_start(claim: str) -> None:
    now = int(time.time())
    clock = Clock(now - LEEWAY_SECONDS - 1)
    token = hmac_token(**{claim: now, "exp": now + 60})

    with unauthenticated("TOKEN_NOT_YET_VALID", token=token):
        await verifier(clock=clock).verify(token)

    clock.now += 1
    assert (await verifier(clock=clock).verify(token)).service == "reaper"


@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("date", ["1893456000", True, float("nan"), float("inf"), 10**400, -(10**400), [1], {}])
async def test_invalid_date_is_refused(claim: str, date: object) -> None:
    with unauthenticated("TOKEN_MALFORMED"):
        await verifier().verify(hmac_token(**{claim: date}))


@pytest.mark.parametrize("audience", ["stagely-rpc", ["other", "stagely-rpc"]])
async def test_token_for_this_audience_is_accepted(audience: object) -> None:
    assert (await verifier(audience="stagely-rpc").verify(hmac_token(aud=audience))).service == "reaper"


@pytest.mark.parametrize("audience", ["stagely", "stagely-rpc-2", ["other"], [7], {"stagely-rpc": 1}])
async def test_token_for_another_audience_is_refused(audience: object) -> None:
    with unauthenticated("TOKEN_AUDIENCE_WRONG"):
        await verifier(audience="stagely-rpc").verify(hmac_token(aud=audience))


async def test_token_from_another_issuer_is_refused() -> None:
    checking = verifier(issuer="https://id.example")

    assert (await checking.verify(hmac_token(iss="https://id.example"))).service == "reaper"
    with unauthenticated("TOKEN_ISSUER_WRONG"):
        await checking.verify(hmac_token(iss="https://id.example/"))


@pytest.mark.parametrize(("option", "claim"), [("issuer", "iss"), ("audience", "aud")])
async def test_missing_claim_that_is_checked_is_refused(option: str, claim: str) -> None:
    with unauthenticated("TOKEN_CLAIM_MISSING"):
        await verifier(**{option: "https://id.example"}).verify(hmac_token(**{claim: None}))


async def test_any_issuer_and_audience_are_accepted_if_none_is_set() -> None:
    assert (await verifier().verify(hmac_token(iss="anybody", aud=["anything"]))).service == "reaper"


@pytest.mark.parametrize(
    "token", ["", ".", "..", "...", "a.b.c", "Bearer", "ÿ.ÿ.ÿ", "\ud800", "a.b.c.d.e", "\x00.\x00.\x00"]
)
async def test_garbage_is_refused(token: str) -> None:
    with unauthenticated("TOKEN_MALFORMED"):
        await verifier().verify(token)


async def test_token_of_a_megabyte_is_refused_before_parsing(monkeypatch: pytest.MonkeyPatch) -> None:
    token = hmac_token(scope="teams.get " * 100_000)
    assert len(token) > 1_000_000

    monkeypatch.setattr(tokens, "sha256", None)
    monkeypatch.setattr(tokens, "jwt", None)
    with unauthenticated("TOKEN_MALFORMED", token=token):
        await verifier().verify(token)


async def test_token_of_the_maximum_size_is_accepted() -> None:
    token = hmac_token(scope="t" * (MAX_TOKEN_BYTES * 3 // 4 - 250))
    assert MAX_TOKEN_BYTES - 200 < len(token) <= MAX_TOKEN_BYTES

    assert (await verifier().verify(token)).service == "reaper"
