from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from structlog.testing import capture_logs

from stagely_rpc.identity.keys import KeySetError, parse_key_set
from tests.support.identity.tokens import ALGORITHMS, SECRET, base64url, key_set, private_key, public_jwk

RSA = public_jwk(private_key("RS256"), kid="1")
P256 = public_jwk(private_key("ES256"), kid="1")
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4),
)
MEMBERS = st.sampled_from(["kty", "crv", "kid", "use", "alg", "key_ops", "n", "e", "x", "y", "d", "k"])
VALUES = JSON | st.sampled_from(
    ["RSA", "EC", "OKP", "oct", "P-256", "Ed25519", "sig", "RS256", "AQAB", RSA["n"], P256["x"]]
)


def ignored(*jwks: Any) -> list[str]:
    """Parse a set without a usable key; return the logged reason for each key."""
    with capture_logs() as logs:
        assert parse_key_set(key_set(*jwks)) == ()
    return [log["reason"] for log in logs]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_key_is_bound_to_the_algorithm_of_its_type(algorithm: str) -> None:
    jwk = public_jwk(private_key(algorithm), kid="main", use="sig", alg=algorithm, key_ops=["verify"], x5t="ignored")

    (key,) = parse_key_set(key_set(jwk))

    assert (key.key_id, key.algorithm) == ("main", algorithm)
    assert key.jwk.algorithm_name == algorithm


@pytest.mark.parametrize(
    ("jwk", "reason"),
    [
        pytest.param(RSA | {"use": "enc"}, "its use is not sig", id="for encryption"),
        pytest.param(RSA | {"use": None}, "its use is not sig", id="null use"),
        pytest.param(RSA | {"key_ops": ["encrypt"]}, "its key_ops do not include verify", id="other operations"),
        pytest.param(RSA | {"key_ops": "verify"}, "its key_ops do not include verify", id="operations not a list"),
        pytest.param(RSA | {"alg": "ES256"}, "its alg is not RS256, the algorithm for its key type", id="other type's"),
        pytest.param(RSA | {"alg": "HS256"}, "its alg is not RS256, the algorithm for its key type", id="symmetric"),
        pytest.param(RSA | {"alg": "none"}, "its alg is not RS256, the algorithm for its key type", id="none"),
        pytest.param(RSA | {"alg": "RS512"}, "its alg is not RS256, the algorithm for its key type", id="other hash"),
        pytest.param(
            P256 | {"alg": ["ES256"]}, "its alg is not ES256, the algorithm for its key type", id="alg a list"
        ),
        pytest.param(RSA | {"kid": 7}, "its kid is not a string", id="kid a number"),
        pytest.param(RSA | {"n": None}, "a member of its public key is missing", id="no modulus"),
        pytest.param(RSA | {"e": 65537}, "a member of its public key is missing", id="exponent a number"),
        pytest.param(RSA | {"n": "!"}, "its public key is malformed", id="not base64"),
        pytest.param(P256 | {"x": P256["y"], "y": P256["x"]}, "its public key is malformed", id="off the curve"),
        pytest.param(
            {"kty": "oct", "k": base64url(SECRET)}, "it is not an RSA, P-256 or Ed25519 key", id="shared secret"
        ),
        pytest.param(P256 | {"crv": "P-384"}, "it is not an RSA, P-256 or Ed25519 key", id="other curve"),
        pytest.param({}, "it is not an RSA, P-256 or Ed25519 key", id="empty"),
        pytest.param("key", "it is not a JSON object", id="a string"),
    ],
)
def test_key_that_cannot_verify_tokens_is_skipped_and_logged(jwk: Any, reason: str) -> None:
    assert ignored(jwk) == [reason]


def test_weak_rsa_key_is_skipped() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()  # noqa: S505

    assert ignored(RSAAlgorithm.to_jwk(weak, as_dict=True)) == ["an RSA key of less than 2048 bits is too weak"]


def test_keys_of_larger_curves_are_skipped() -> None:
    p384 = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()).public_key(), as_dict=True)
    ed448_jwk = OKPAlgorithm.to_jwk(ed448.Ed448PrivateKey.generate().public_key(), as_dict=True)

    assert len(ignored(p384, ed448_jwk)) == 2


def test_private_key_is_skipped_and_not_logged() -> None:
    key = private_key("RS256")
    assert isinstance(key, rsa.RSAPrivateKey)
    private = RSAAlgorithm.to_jwk(key, as_dict=True)

    with capture_logs() as logs:
        assert parse_key_set(key_set(private)) == ()

    assert "it is a private key" in logs[0]["reason"]
    assert private["d"] not in repr(logs)


def test_unusable_keys_do_not_affect_the_others() -> None:
    assert [key.key_id for key in parse_key_set(key_set({"kty": "oct"}, RSA, 7, public_jwk(private_key("EdDSA"))))] == [
        "1",
        None,
    ]


def test_keys_of_different_types_may_share_an_id() -> None:
    assert [key.algorithm for key in parse_key_set(key_set(RSA, P256))] == ["RS256", "ES256"]


def test_first_of_two_keys_with_the_same_id_is_used() -> None:
    other = public_jwk(private_key("RS256", 2), kid="1")

    with capture_logs() as logs:
        (key,) = parse_key_set(key_set(RSA, other))

    assert key.jwk.key.public_numbers() == private_key("RS256").public_key().public_numbers()  # type: ignore[union-attr]
    assert logs[0]["reason"] == "an earlier key has the same id and algorithm"


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (b"", "it is not JSON"),
        (b"<html>", "it is not JSON"),
        (b"\xff", "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (b"[]", "it is not a JSON Web Key Set"),
        (b"{}", "it is not a JSON Web Key Set"),
        (json.dumps(RSA).encode(), "it is not a JSON Web Key Set"),
        (b'{"keys": {}}', "it is not a JSON Web Key Set"),
        (key_set(*[RSA] * 101), "it has more than 100 keys"),
    ],
)
def test_invalid_key_set_is_refused(document: bytes, problem: str) -> None:
    with pytest.raises(KeySetError, match=problem):
        parse_key_set(document)


@given(st.lists(st.dictionaries(MEMBERS, VALUES) | JSON, max_size=3))
def test_any_member_of_a_key_set_is_parsed_or_skipped(members: list[Any]) -> None:
    assert all(key.algorithm in ALGORITHMS for key in parse_key_set(key_set(*members)))
