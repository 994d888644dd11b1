"""Bearer tokens: verifies JSON Web Tokens (RFC 7519) by the rules of RFC 8725, and mints them for operators."""

from __future__ import annotations

import time
import uuid
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import jwt

from stagely_rpc.call import Caller
from stagely_rpc.errors import UnauthenticatedError
from stagely_rpc.identity.keys import ASYMMETRIC, HMAC, VerificationKey, hmac_key
from stagely_rpc.identity.permissions import (
    IDENTITY_MAX_CHARACTERS,
    is_identity,
    is_permission,
    parse_scope,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import timedelta

    from jwt.types import Options

    from stagely_rpc.identity.jwks import KeySet

MAX_TOKEN_BYTES = 16 * 1024
MAX_CACHED_TOKENS = 4096
LEEWAY_SECONDS = 30

_LATEST_DATE = 2**53
_REASONS: tuple[tuple[type[jwt.PyJWTError], str, str], ...] = (
    (jwt.InvalidAlgorithmError, "TOKEN_ALGORITHM_REFUSED", "the token's algorithm is not that of its key"),
    (jwt.InvalidAudienceError, "TOKEN_AUDIENCE_WRONG", "the token is for another audience"),
    (jwt.InvalidIssuerError, "TOKEN_ISSUER_WRONG", "the token is from another issuer"),
)


class MintError(Exception):
    """The arguments of a new token are invalid. The message is one line for people."""


@dataclass(frozen=True, slots=True)
class _VerifiedToken:
    """The content of a verified token. Valid while its key is trusted and it has not expired."""

    caller: Caller
    expires: float
    key: VerificationKey


class TokenVerifier:
    """Verifies tokens. Caches verified tokens, which then cost microseconds.

    The cache key is the token's SHA-256; the token itself is not stored. Refused tokens are not cached.
    """

    def __init__(
        self,
        *,
        secrets: Sequence[bytes] = (),
        key_set: KeySet | None = None,
        issuer: str | None = None,
        audience: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take the keys and the required claims.

        Args:
            secrets: shared secrets for HS256, of at least 32 bytes; during rotation, the new and the old one.
            key_set: the public keys of an issuer; the caller starts and stops it.
            issuer: the required `iss`; None accepts any.
            audience: the value that `aud` must be or include; None accepts any.
            clock: returns the time in seconds since 1970.
        """
        self._secrets = tuple(hmac_key(secret) for secret in secrets)
        self._key_set = key_set
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._cache: OrderedDict[bytes, _VerifiedToken] = OrderedDict()
        # PyJWT does not check the times. This class does, with one rule and clock for new and for cached tokens.
        self._options: Options = {
            "require": ["exp", "sub"],
            "verify_exp": False,
            "verify_nbf": False,
            "verify_iat": False,
            "verify_aud": audience is not None,
            "enforce_minimum_key_length": True,
        }

    async def verify(self, token: str) -> Caller:
        """Return the service that a token names, with the permissions in its scope.

        Raises:
            UnauthenticatedError: the token is not valid; the reason says why.
            UnavailableError: the token's key is unknown, and the key set could not be read.
        """
        if len(token) > MAX_TOKEN_BYTES or not token.isascii():
            raise _malformed(f"it must be ASCII of at most {MAX_TOKEN_BYTES} bytes")
        digest = _digest(token)
        verified = self._cache.get(digest)
        if verified is None or not self._trusts(verified.key):
            verified = await self._verify(token)
            self._store(digest, verified)
        elif self._clock() >= verified.expires + LEEWAY_SECONDS:
            del self._cache[digest]
            raise _expired()
        else:
            self._cache.move_to_end(digest)
        return verified.caller

    def valid_until(self, token: str) -> float | None:
        """Return until when a verified token is accepted, in seconds since 1970; None if it is not in the cache."""
        verified = self._cache.get(_digest(token))
        return None if verified is None else verified.expires + LEEWAY_SECONDS

    def _trusts(self, key: VerificationKey) -> bool:
        return key in self._secrets or (self._key_set is not None and self._key_set.contains(key))

    def _store(self, digest: bytes, verified: _VerifiedToken) -> None:
        self._cache[digest] = verified
        if len(self._cache) > MAX_CACHED_TOKENS:
            self._cache.popitem(last=False)

    async def _verify(self, token: str) -> _VerifiedToken:
        # Some of PyJWT's errors quote the token, so their texts are not passed on.
        try:
            keys = await self._keys_for(jwt.get_unverified_header(token))
            key, claims = self._claims(token, keys)
        except jwt.PyJWTError as error:
            raise _refusal(error) from None
        _check_times(claims, self._clock())
        return _VerifiedToken(_caller_in(claims), claims["exp"], key)

    async def _keys_for(self, header: dict[str, Any]) -> Sequence[VerificationKey]:
        """Return the keys that may have signed a token. Each key verifies with its own algorithm, not the header's."""
        algorithm = header.get("alg")
        if algorithm == HMAC and self._secrets:
            return self._secrets
        if algorithm in ASYMMETRIC and self._key_set is not None:
            return (await self._key_set.find(header.get("kid"), algorithm),)
        raise UnauthenticatedError("the token's algorithm is not accepted", reason="TOKEN_ALGORITHM_REFUSED")

    def _claims(self, token: str, keys: Sequence[VerificationKey]) -> tuple[VerificationKey, dict[str, Any]]:
        for key in keys:
            with suppress(jwt.InvalidSignatureError):
                return key, jwt.decode(
                    token,
                    key.jwk,
                    algorithms=[key.algorithm],
                    options=self._options,
                    issuer=self._issuer,
                    audience=self._audience,
                )
        raise UnauthenticatedError("the token's signature is invalid", reason="TOKEN_SIGNATURE_INVALID")


def mint(
    secret: bytes,
    *,
    subject: str,
    permissions: Iterable[str],
    ttl: timedelta,
    issuer: str | None = None,
    audience: str | None = None,
) -> str:
    """Return a token that is signed with a shared secret (HS256) and valid from now.

    Raises:
        MintError: there are no permissions, or the subject or a permission is malformed.
    """
    held = list(permissions)
    if not is_identity(subject):
        raise MintError(f"a subject must have 1 to {IDENTITY_MAX_CHARACTERS} printable characters")
    if unknown := [permission for permission in held if not is_permission(permission)]:
        raise MintError(f"{unknown[0]!r} is not a permission (`kind.verb`, `kind.*` or `*`)")
    if not held:
        raise MintError("a token needs at least one permission")
    now = int(time.time())
    times = {"iat": now, "exp": now + int(ttl.total_seconds())}
    named = {"iss": issuer, "aud": audience, "sub": subject, "scope": " ".join(held), "jti": str(uuid.uuid4())}
    claims = {name: value for name, value in named.items() if value is not None}
    return jwt.encode(claims | times, secret, algorithm=HMAC)


def _digest(token: str) -> bytes:
    return sha256(token.encode("ascii")).digest()


def _check_times(claims: dict[str, Any], now: float) -> None:
    if now >= _date(claims, "exp") + LEEWAY_SECONDS:
        raise _expired()
    for claim in ("nbf", "iat"):
        if claim in claims and now < _date(claims, claim) - LEEWAY_SECONDS:
            raise UnauthenticatedError("the token is not valid yet", reason="TOKEN_NOT_YET_VALID")


def _date(claims: dict[str, Any], claim: str) -> float:
    value = claims[claim]
    # Refuse bool, a subclass of int, and NaN and infinity, which Python's JSON parser accepts.
    if type(value) not in (int, float) or not -_LATEST_DATE <= value <= _LATEST_DATE:
        raise _malformed(f"its {claim} is not a valid date")
    return float(value)


def _caller_in(claims: dict[str, Any]) -> Caller:
    subject, scope = claims["sub"], claims.get("scope", "")
    if not is_identity(subject):
        raise _malformed(f"its sub must have 1 to {IDENTITY_MAX_CHARACTERS} printable characters")
    if not isinstance(scope, str):
        raise _malformed("its scope must be one string of permissions separated by spaces")
    return Caller(subject, parse_scope(scope))


def _refusal(error: jwt.PyJWTError) -> UnauthenticatedError:
    if isinstance(error, jwt.MissingRequiredClaimError):
        return UnauthenticatedError(f"the token has no {error.claim}", reason="TOKEN_CLAIM_MISSING")
    for kind, reason, message in _REASONS:
        if isinstance(error, kind):
            return UnauthenticatedError(message, reason=reason)
    return _malformed("it must be a signed JWT whose claims have the types of RFC 7519")


def _malformed(problem: str) -> UnauthenticatedError:
    return UnauthenticatedError(f"the token is malformed: {problem}", reason="TOKEN_MALFORMED")


def _expired() -> UnauthenticatedError:
    return UnauthenticatedError("the token has expired", reason="TOKEN_EXPIRED")
