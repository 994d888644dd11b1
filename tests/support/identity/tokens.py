"""Keys, key sets and tokens as issuers make them."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tests.support.secret_markers import MARKER, marked_secret

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

SECRET = marked_secret("shared").encode()
OTHER_SECRET = marked_secret("another").encode()
ALGORITHMS = ("RS256", "ES256", "EdDSA")


def private_key(algorithm: str, number: int = 1) -> PrivateKey:
    """Return a key of an issuer. The same number gives the same key."""
    return _private_key(algorithm, number)


@cache
def _private_key(algorithm: str, _number: int) -> PrivateKey:
    if algorithm == "RS256":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate()


def public_pem(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def public_jwk(key: PrivateKey, **members: Any) -> dict[str, Any]:
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        return RSAAlgorithm.to_jwk(public, as_dict=True) | members
    if isinstance(public, ec.EllipticCurvePublicKey):
        return ECAlgorithm.to_jwk(public, as_dict=True) | members
    return OKPAlgorithm.to_jwk(public, as_dict=True) | members


def key_set(*jwks: Any) -> bytes:
    return json.dumps({"keys": jwks}).encode()


def claims(**overrides: Any) -> dict[str, Any]:
    """Return the claims of a token that is valid for an hour. An override of None removes a claim."""
    now = int(time.time())
    given = {
        "sub": "reaper",
        "scope": "environments.* teams.get",
        "iat": now,
        "exp": now + 3600,
        "jti": MARKER,
        **overrides,
    }
    return {name: value for name, value in given.items() if value is not None}


def hmac_token(secret: bytes = SECRET, /, **overrides: Any) -> str:
    return jwt.encode(claims(**overrides), secret, "HS256")


def signed_token(algorithm: str, key_id: str | None = "1", number: int = 1, **overrides: Any) -> str:
    headers = {"kid": key_id} if key_id is not None else None
    return jwt.encode(claims(**overrides), private_key(algorithm, number), algorithm, headers=headers)


def base64url(part: bytes) -> str:
    return urlsafe_b64encode(part).rstrip(b"=").decode()


def unsigned_token(header: str, body: str | None = None) -> str:
    """Return a token with the given header and no signature."""
    return f"{base64url(header.encode())}.{base64url((body or json.dumps(claims())).encode())}."
