"""The keys that verify tokens. Each key is bound to one algorithm; a token's header can't choose another."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

import jwt
import orjson
import structlog
from cryptography.exceptions import UnsupportedAlgorithm

HMAC = "HS256"
ASYMMETRIC = ("RS256", "ES256", "EdDSA")

_MAX_KEYS = 100
_RSA_MIN_BITS = 2048
_PUBLIC_MEMBERS = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
_KEY_ID_SHOWN = 100

_log = structlog.get_logger(__name__)


class KeySetError(Exception):
    """The JSON Web Key Set (RFC 7517) can't be used. The message is one line that says why."""


class _UnusableKeyError(Exception):
    """A key of a key set can't be used to verify tokens. The message says why."""


@dataclass(frozen=True, slots=True, eq=False)
class VerificationKey:
    """A key that verifies tokens. Keys compare by identity: a key that was read again is a different key.

    Attributes:
        key_id: the `kid` by which tokens name the key.
        algorithm: the only algorithm (RFC 7518) that the key is used with.
    """

    key_id: str | None
    algorithm: str
    jwk: jwt.PyJWK = field(repr=False)


def hmac_key(secret: bytes) -> VerificationKey:
    """Return the key that verifies HS256 with a shared secret."""
    jwk = {"kty": "oct", "k": urlsafe_b64encode(secret).rstrip(b"=").decode()}
    return VerificationKey(None, HMAC, jwt.PyJWK(jwk, HMAC))


def parse_key_set(document: bytes) -> tuple[VerificationKey, ...]:
    """Return the usable keys of a JSON Web Key Set; log and skip the others (RFC 7517, 5).

    Raises:
        KeySetError: the document is not a key set, or has more than 100 keys.
    """
    try:
        key_set = orjson.loads(document)
    except ValueError:
        raise KeySetError("it is not JSON") from None
    members = key_set.get("keys") if isinstance(key_set, dict) else None
    if not isinstance(members, list):
        raise KeySetError("it is not a JSON Web Key Set")
    if len(members) > _MAX_KEYS:
        raise KeySetError(f"it has more than {_MAX_KEYS} keys")
    return _usable(members)


def _usable(members: list[object]) -> tuple[VerificationKey, ...]:
    found: dict[tuple[str | None, str], VerificationKey] = {}
    for position, member in enumerate(members):
        try:
            key = _key(member)
            if found.setdefault((key.key_id, key.algorithm), key) is not key:
                raise _UnusableKeyError("an earlier key has the same id and algorithm")  # noqa: TRY301
        except _UnusableKeyError as unusable:
            _log.warning("key ignored", position=position, key_id=_shown_id(member), reason=str(unusable))
    return tuple(found.values())


def _key(member: object) -> VerificationKey:
    if not isinstance(member, dict):
        raise _UnusableKeyError("it is not a JSON object")
    key_id = member.get("kid")
    if not isinstance(key_id, str | None):
        raise _UnusableKeyError("its kid is not a string")
    algorithm = _algorithm_of(member)
    _check_use(member, algorithm)
    public = {name: member.get(name) for name in ("kty", *_PUBLIC_MEMBERS[member["kty"]])}
    if not all(isinstance(value, str) for value in public.values()):
        raise _UnusableKeyError("a member of its public key is missing")
    return VerificationKey(key_id, algorithm, _public_key(public, algorithm))


def _algorithm_of(member: dict[str, object]) -> str:
    match member.get("kty"), member.get("crv"):
        case "RSA", _:
            return "RS256"
        case "EC", "P-256":
            return "ES256"
        case "OKP", "Ed25519":
            return "EdDSA"
    raise _UnusableKeyError("it is not an RSA, P-256 or Ed25519 key")


def _check_use(member: dict[str, object], algorithm: str) -> None:
    if "d" in member:
        raise _UnusableKeyError("it is a private key, which must not be in a key set: replace it")
    if member.get("use", "sig") != "sig":
        raise _UnusableKeyError("its use is not sig")
    operations = member.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise _UnusableKeyError("its key_ops do not include verify")
    if member.get("alg", algorithm) != algorithm:
        raise _UnusableKeyError(f"its alg is not {algorithm}, the algorithm for its key type")


def _public_key(public: dict[str, Any], algorithm: str) -> jwt.PyJWK:
    try:
        jwk = jwt.PyJWK(public, algorithm)
    except (jwt.PyJWTError, ValueError, UnsupportedAlgorithm):
        raise _UnusableKeyError("its public key is malformed") from None
    if algorithm == "RS256" and jwk.key.key_size < _RSA_MIN_BITS:
        raise _UnusableKeyError(f"an RSA key of less than {_RSA_MIN_BITS} bits is too weak")
    return jwk


def _shown_id(member: object) -> str | None:
    return str(member["kid"])[:_KEY_ID_SHOWN] if isinstance(member, dict) and "kid" in member else None
