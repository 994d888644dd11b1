"""The types of the settings, with their rules. No message shows a value, because a value may contain a secret."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated, Any
from urllib.parse import urlsplit

import psycopg.conninfo
from pydantic import AfterValidator, Field, SecretStr

_JWT_SECRET_MIN_BYTES = 32
_REDIS_URL = r"(rediss?|unix)://.+"
_ENCRYPTION_KEY = r"[0-9a-fA-F]{64}"
_DOMAIN = r"(?=.{1,200}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"


def _database_url(url: SecretStr) -> SecretStr:
    value = url.get_secret_value()
    if not value.startswith(("postgres://", "postgresql://")):
        raise ValueError("must be a URL that starts with postgres:// or postgresql://")
    try:
        psycopg.conninfo.conninfo_to_dict(value)
    except psycopg.ProgrammingError:
        # libpq's message quotes the URL, including its password.
        raise ValueError("must be a URL that libpq can parse") from None
    return url


def _redis_url(url: SecretStr) -> SecretStr:
    if not re.fullmatch(_REDIS_URL, url.get_secret_value()):
        raise ValueError("must be a URL that starts with redis://, rediss:// or unix://")
    return url


def _encryption_key(key: SecretStr) -> SecretStr:
    if not re.fullmatch(_ENCRYPTION_KEY, key.get_secret_value()):
        raise ValueError("must be 64 hexadecimal digits (32 bytes); `stagely-rpc keys generate` prints one")
    return key


def _jwt_secret(secret: SecretStr) -> SecretStr:
    from jwt import InvalidKeyError  # noqa: PLC0415 - slow to import, and most commands don't need it
    from jwt.algorithms import HMACAlgorithm  # noqa: PLC0415

    value = secret.get_secret_value().encode()
    if len(value) < _JWT_SECRET_MIN_BYTES:
        raise ValueError(f"must have at least {_JWT_SECRET_MIN_BYTES} bytes; `stagely-rpc keys generate` prints 64")
    try:
        HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(value)
    except InvalidKeyError:
        # With a public key as the secret, anyone who knows the public key could sign tokens.
        raise ValueError("must be a random secret, not an asymmetric key, a certificate or a JWK") from None
    return secret


def _jwks_location(location: str) -> str:
    if "://" not in location:
        return location
    try:
        url = urlsplit(location)
        secure = url.scheme == "https" or (url.scheme == "http" and _is_loopback(url.hostname))
        named = bool(url.hostname) and url.port != 0
    except ValueError:
        secure = named = False
    if not secure or not named or "@" in location:
        raise ValueError("must be a path, or an https URL without a password (http only for this host)")
    return location


def _otlp_endpoint(endpoint: str) -> str:
    try:
        url = urlsplit(endpoint)
        usable = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        usable = False
    if not usable or "@" in endpoint:
        raise ValueError(
            "must be an http or https URL without a password; use OTEL_EXPORTER_OTLP_HEADERS for credentials"
        )
    return endpoint


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False


def _domain(domain: str) -> str:
    if not re.fullmatch(_DOMAIN, domain):
        raise ValueError("must be a domain name in lower case")
    return domain


def _documented(allowed: str, *, pattern: str | None = None) -> Any:  # noqa: ANN401 - pydantic's own type for it
    """Return the documentation of a type whose rule is a function.

    Args:
        allowed: the allowed values, for docs/settings.md.
        pattern: a regular expression, for docs/settings.schema.json.
    """
    extra: dict[str, Any] = {"allowed": allowed}
    if pattern is not None:
        extra["pattern"] = f"^{pattern}$"
    return Field(json_schema_extra=extra)


DatabaseUrl = Annotated[
    SecretStr,
    AfterValidator(_database_url),
    _documented("`postgres://` or `postgresql://` URL", pattern=r"postgres(ql)?://.*"),
]
RedisUrl = Annotated[
    SecretStr, AfterValidator(_redis_url), _documented("`redis://`, `rediss://` or `unix://` URL", pattern=_REDIS_URL)
]
EncryptionKey = Annotated[
    SecretStr, AfterValidator(_encryption_key), _documented("64 hexadecimal digits (32 bytes)", pattern=_ENCRYPTION_KEY)
]
JwtSecret = Annotated[SecretStr, AfterValidator(_jwt_secret), _documented(f"at least {_JWT_SECRET_MIN_BYTES} bytes")]
JwksLocation = Annotated[str, AfterValidator(_jwks_location), _documented("path, or `https://` URL without a password")]
Domain = Annotated[str, AfterValidator(_domain), _documented("domain name in lower case", pattern=_DOMAIN)]
OtlpEndpoint = Annotated[
    str, AfterValidator(_otlp_endpoint), _documented("`http://` or `https://` URL without a password")
]
Port = Annotated[int, Field(ge=0, le=65_535)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Pause = Annotated[float, Field(ge=0, le=86_400)]
MessageBytes = Annotated[int, Field(ge=64 * 1024, le=1024**3)]
