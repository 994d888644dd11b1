"""The kinds of setting, each with its rule. No message shows a value: it may be a secret, or beside one."""

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
        # libpq's message quotes the URL, password and all.
        raise ValueError("is no URL that libpq can read") from None
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
    from jwt import InvalidKeyError  # noqa: PLC0415 - takes its time, and most commands need none of it
    from jwt.algorithms import HMACAlgorithm  # noqa: PLC0415

    value = secret.get_secret_value().encode()
    if len(value) < _JWT_SECRET_MIN_BYTES:
        raise ValueError(f"must have at least {_JWT_SECRET_MIN_BYTES} bytes; `stagely-rpc keys generate` prints 64")
    try:
        HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(value)
    except InvalidKeyError:
        # Whoever has the public key, which is everybody, could sign tokens with it.
        raise ValueError("must be a random secret, and not a key of a pair, a certificate or a JWK") from None
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
        raise ValueError("must be a path, or an https URL without a password (http for this host alone)")
    return location


def _otlp_endpoint(endpoint: str) -> str:
    try:
        url = urlsplit(endpoint)
        usable = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        usable = False
    if not usable or "@" in endpoint:
        raise ValueError("must be an http or https URL without a password, which OTEL_EXPORTER_OTLP_HEADERS is for")
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


def _matching(pattern: str) -> Any:  # noqa: ANN401 - pydantic's own type for it
    """Return what tells the JSON schema of a rule whose message must not be pydantic's."""
    return Field(json_schema_extra={"pattern": f"^{pattern}$"})


DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url), _matching(r"postgres(ql)?://.*")]
RedisUrl = Annotated[SecretStr, AfterValidator(_redis_url), _matching(_REDIS_URL)]
EncryptionKey = Annotated[SecretStr, AfterValidator(_encryption_key), _matching(_ENCRYPTION_KEY)]
JwtSecret = Annotated[SecretStr, AfterValidator(_jwt_secret)]
JwksLocation = Annotated[str, AfterValidator(_jwks_location)]
Domain = Annotated[str, AfterValidator(_domain), _matching(_DOMAIN)]
OtlpEndpoint = Annotated[str, AfterValidator(_otlp_endpoint)]
Port = Annotated[int, Field(ge=0, le=65_535)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Pause = Annotated[float, Field(ge=0, le=86_400)]
MessageBytes = Annotated[int, Field(ge=64 * 1024, le=1024**3)]
