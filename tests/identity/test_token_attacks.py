"""Forged tokens: public keys used as secrets, missing signatures, keys chosen by the sender."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stagely_rpc.errors import UnauthenticatedError
from stagely_rpc.identity.jwks import KeySet
from stagely_rpc.identity.tokens import TokenVerifier
from tests.support.identity.expecting import unauthenticated
from tests.support.identity.tokens import (
    ALGORITHMS,
    SECRET,
    base64url,
    claims,
    hmac_token,
    key_set,
    private_key,
    public_jwk,
    public_pem,
    signed_token,
    unsigned_token,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BOTH = ("secret and key set", "key set alone")


@pytest.fixture(scope="module")
async def keys(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[KeySet]:
    path = tmp_path_factory.mktemp("jwks") / "jwks.json"
    path.write_bytes(key_set(*(public_jwk(private_key(algorithm), kid=algorithm) for algorithm in ALGORITHMS)))
    keys = KeySet(str(path))
    await keys.start()
    yield keys
    await keys.stop()


@pytest.fixture(params=BOTH)
def verifier(request: pytest.FixtureRequest, keys: KeySet) -> TokenVerifier:
    return TokenVerifier(secrets=[SECRET] if request.param == BOTH[0] else [], key_set=keys)


def signed_by_hmac(header: str, secret: bytes) -> str:
    """Sign with HMAC under any header. PyJWT refuses to do so."""
    signed = unsigned_token(header).rstrip(".")
    return f"{signed}.{base64url(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_token_signed_by_a_key_of_the_set_is_accepted(verifier: TokenVerifier, algorithm: str) -> None:
    assert (await verifier.verify(signed_token(algorithm, key_id=algorithm))).service == "reaper"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_token_without_a_key_id_is_accepted_if_one_key_has_its_algorithm(
    verifier: TokenVerifier, algorithm: str
) -> None:
    assert (await verifier.verify(signed_token(algorithm, key_id=None))).service == "reaper"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_public_key_is_not_accepted_as_a_shared_secret(verifier: TokenVerifier, algorithm: str) -> None:
    for secret in (public_pem(private_key(algorithm)), public_pem(private_key(algorithm)).rstrip()):
        token = signed_by_hmac(json.dumps({"alg": "HS256", "typ": "JWT", "kid": algorithm}), secret)
        with pytest.raises(UnauthenticatedError) as refused:
            await verifier.verify(token)
        assert refused.value.reason in {"TOKEN_ALGORITHM_REFUSED", "TOKEN_SIGNATURE_INVALID"}


@pytest.mark.parametrize(
    "header",
    [
        '{"alg": "none"}',
        '{"alg": "None", "typ": "JWT"}',
        '{"alg": "nOnE"}',
        '{"alg": ""}',
        '{"alg": null}',
        '{"alg": ["HS256"]}',
        '{"alg": {"HS256": 1}}',
        '{"alg": 256}',
        '{"typ": "JWT"}',
        '{"alg": "HS256", "alg": "none"}',
        '{"alg": "HS512"}',
        '{"alg": "RS512", "kid": "RS256"}',
        '{"alg": "PS256", "kid": "RS256"}',
        '{"alg": "ES256K", "kid": "ES256"}',
        '{"alg": "hs256"}',
    ],
)
async def test_algorithm_without_a_key_is_refused(verifier: TokenVerifier, header: str) -> None:
    for token in (unsigned_token(header), signed_by_hmac(header, SECRET)):
        with unauthenticated("TOKEN_ALGORITHM_REFUSED", token=token):
            await verifier.verify(token)


@pytest.mark.parametrize("algorithm", ["HS256", *ALGORITHMS])
async def test_token_without_its_signature_is_refused(keys: KeySet, algorithm: str) -> None:
    token = unsigned_token(json.dumps({"alg": algorithm, "kid": algorithm}))

    with unauthenticated("TOKEN_SIGNATURE_INVALID", token=token):
        await TokenVerifier(secrets=[SECRET], key_set=keys).verify(token)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_key_in_or_linked_from_the_token_is_not_used(verifier: TokenVerifier, algorithm: str) -> None:
    own = private_key(algorithm, 2)
    headers = {
        "kid": algorithm,
        "jwk": public_jwk(own),
        "jku": "http://127.0.0.1:1/jwks.json",
        "x5u": "http://127.0.0.1:1/cert.pem",
        "x5c": ["MIIB"],
    }
    token = jwt.encode(claims(), own, algorithm, headers=headers)

    with unauthenticated("TOKEN_SIGNATURE_INVALID", token=token):
        await verifier.verify(token)


async def test_key_of_one_type_is_not_used_for_the_algorithm_of_another(verifier: TokenVerifier) -> None:
    token = signed_token("ES256", key_id="RS256")

    with unauthenticated("TOKEN_KEY_UNKNOWN", token=token):
        await verifier.verify(token)


@pytest.mark.parametrize(
    "key_id",
    [
        "../../../../etc/passwd",
        "/dev/null",
        "",
        "k" * 10_000,
        "RS256\x00",
        "\x00",
        "' OR 1=1 --",
        "RS256 ",
        "*",
        "\u202e",
    ],
)
async def test_unknown_key_id_is_refused(verifier: TokenVerifier, key_id: str) -> None:
    token = signed_token("RS256", key_id=key_id)

    with unauthenticated("TOKEN_KEY_UNKNOWN", token=token):
        await verifier.verify(token)


@pytest.mark.parametrize("key_id", [7, None, ["RS256"], {"RS256": 1}, True])
async def test_key_id_that_is_not_a_string_is_malformed(verifier: TokenVerifier, key_id: object) -> None:
    token = unsigned_token(json.dumps({"alg": "RS256", "kid": key_id}))

    with unauthenticated("TOKEN_MALFORMED", token=token):
        await verifier.verify(token)


@pytest.mark.parametrize(
    "header",
    ['{"alg": "RS256", "crit": ["exp"], "exp": 1}', '{"alg": "RS256", "b64": false, "crit": ["b64"]}', "[]", '"RS256"'],
)
async def test_unsupported_header_is_malformed(verifier: TokenVerifier, header: str) -> None:
    token = unsigned_token(header)

    with unauthenticated("TOKEN_MALFORMED", token=token):
        await verifier.verify(token)


async def test_deeply_nested_token_is_refused(verifier: TokenVerifier) -> None:
    for header, body in (("[" * 5000, "{}"), ('{"alg": "HS256"}', "[" * 5000), ('{"alg":' + "9" * 5000 + "}", "{}")):
        with pytest.raises(UnauthenticatedError):
            await verifier.verify(unsigned_token(header, body))


HEADERS: st.SearchStrategy[Any] = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "zip"]),
    st.sampled_from(["HS256", *ALGORITHMS, "none", "b64"])
    | st.none()
    | st.booleans()
    | st.integers()
    | st.lists(st.text()),
)
CLAIMS: st.SearchStrategy[Any] = st.dictionaries(
    st.sampled_from(["exp", "sub", "iss", "aud", "nbf", "iat", "jti", "scope"]),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text()) | st.just(4_000_000_000),
)


@given(st.text() | st.builds(".".join, st.lists(st.binary().map(base64url), min_size=2, max_size=4)))
async def test_any_garbage_is_unauthenticated(keys: KeySet, token: str) -> None:
    with pytest.raises(UnauthenticatedError):
        await TokenVerifier(secrets=[SECRET], key_set=keys).verify(token)


@given(HEADERS, CLAIMS)
async def test_any_unsigned_token_is_unauthenticated(
    keys: KeySet, header: dict[str, Any], body: dict[str, Any]
) -> None:
    with pytest.raises(UnauthenticatedError):
        await TokenVerifier(secrets=[SECRET], key_set=keys).verify(unsigned_token(json.dumps(header), json.dumps(body)))


@given(CLAIMS)
async def test_any_signed_claims_name_a_caller_or_are_unauthenticated(body: dict[str, Any]) -> None:
    signed = unsigned_token('{"alg": "HS256"}', json.dumps(body)).rstrip(".")
    token = f"{signed}.{base64url(hmac.digest(SECRET, signed.encode(), hashlib.sha256))}"

    try:
        caller = await TokenVerifier(secrets=[SECRET], issuer="issuer", audience="audience").verify(token)
    except UnauthenticatedError:
        return
    assert caller.service == body["sub"]


@given(st.sampled_from(["HS256", *ALGORITHMS]), st.floats(0, 1, exclude_max=True), st.characters(codec="ascii"))
async def test_changed_token_is_unauthenticated(keys: KeySet, algorithm: str, fraction: float, character: str) -> None:
    token = hmac_token() if algorithm == "HS256" else signed_token(algorithm, key_id=algorithm)
    at = int(fraction * len(token))
    assume(token[at] != character)

    with pytest.raises(UnauthenticatedError):
        await TokenVerifier(secrets=[SECRET], key_set=keys).verify(token[:at] + character + token[at + 1 :])
