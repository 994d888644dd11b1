"""The settings, and the only reader of the environment."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self, TypeVar

import psycopg.conninfo
from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from stagely_rpc.logs import LogLevel


class SettingsError(Exception):
    """Settings are missing or malformed: one line for each, with its variable and without its value."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


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
    if not re.fullmatch(r"(rediss?|unix)://.+", url.get_secret_value()):
        raise ValueError("must be a URL that starts with redis://, rediss:// or unix://")
    return url


def _encryption_key(key: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", key.get_secret_value()):
        raise ValueError("must be 64 hexadecimal digits (32 bytes); `stagely-rpc keys generate` prints one")
    return key


def _domain(domain: str) -> str:
    if not re.fullmatch(r"(?=.{1,200}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", domain):
        raise ValueError("must be a domain name in lower case")
    return domain


Seconds = Annotated[float, Field(gt=0, le=86_400)]


class DatabaseSettings(BaseSettings):
    """What `stagely-rpc migrate` takes from the environment. Each field is the variable of its name in upper case."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, env_ignore_empty=True)

    database_url: Annotated[SecretStr, AfterValidator(_database_url)]
    """PostgreSQL, as a libpq URL with any of libpq's parameters."""


class PortSettings(BaseSettings):
    """What `stagely-rpc probe` takes from the environment."""

    model_config = DatabaseSettings.model_config

    port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    """The port to listen on; 0 takes a free one."""


class Settings(PortSettings, DatabaseSettings):
    """What `stagely-rpc serve` takes from the environment."""

    redis_url: Annotated[SecretStr | None, AfterValidator(lambda url: url and _redis_url(url))]
    """Redis, for signals between replicas."""
    host: str = "0.0.0.0"  # noqa: S104
    """The address to listen on; the service runs in a network of its own."""
    environment: Literal["development", "test", "production"] = "development"
    log_level: LogLevel = "info"
    jwt_secret: SecretStr | None = None
    """Signs callers' tokens. Not used yet."""
    encryption_key: Annotated[SecretStr | None, AfterValidator(lambda key: key and _encryption_key(key))] = None
    """The key-encryption key: 64 hexadecimal digits. Without one, no secret can be stored or read."""
    domain: Annotated[str, AfterValidator(_domain)] = "stagely.dev"
    """Environments are reached at https://<subdomain_hash>.<domain>."""

    database_pool_size: Annotated[int, Field(ge=1, le=1000)] = 25
    """At most this many connections."""
    database_pool_idle: Annotated[int, Field(ge=0, le=1000)] = 5
    """This many connections stay open though no load asks for them."""
    database_pool_lifetime_seconds: Seconds = 300
    """A connection older than this is replaced when it is next used."""
    database_pool_wait_seconds: Seconds = 5
    """How long a call waits for a connection before RESOURCE_EXHAUSTED."""
    max_concurrent_rpcs: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """More calls than this at a time are refused with RESOURCE_EXHAUSTED."""
    health_interval_seconds: Seconds = 2
    """How often the database is probed."""
    health_timeout_seconds: Seconds = 2
    """How long a probe may take."""
    shutdown_grace_seconds: Annotated[float, Field(ge=0, le=86_400)] = 20
    """How long calls under way may take to end after SIGTERM."""

    @model_validator(mode="after")
    def _production_needs_a_key(self) -> Self:
        if self.environment == "production" and self.encryption_key is None:
            raise ValueError("ENCRYPTION_KEY: is required in production; `stagely-rpc keys generate` prints one")
        return self

    @property
    def encryption_key_bytes(self) -> bytes | None:
        """The key-encryption key as its 32 bytes."""
        return bytes.fromhex(self.encryption_key.get_secret_value()) if self.encryption_key else None


class EmbeddedSettings(Settings):
    """What `stagely-rpc dev` takes from the environment: it brings its own database and key, and needs no Redis."""

    redis_url: Annotated[SecretStr | None, AfterValidator(lambda url: url and _redis_url(url))] = None
    host: str = "127.0.0.1"
    shutdown_grace_seconds: Annotated[float, Field(ge=0, le=86_400)] = 3


AnySettings = TypeVar("AnySettings", bound=BaseSettings)


def load(model: type[AnySettings], **given: object) -> AnySettings:
    """Read the settings from the environment; what is given holds whatever the environment says.

    Raises:
        SettingsError: a setting is missing or malformed.
    """
    try:
        return model(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        raise SettingsError(
            [_line(found["loc"], found["type"], found["msg"]) for found in error.errors(include_input=False)]
        ) from None


def _line(location: tuple[int | str, ...], kind: str, message: str) -> str:
    if kind == "missing":
        return f"{str(location[0]).upper()}: is required"
    text = message.removeprefix("Value error, ").removeprefix("Input ").replace("should ", "must ", 1)
    return f"{str(location[0]).upper()}: {text}" if location else text
