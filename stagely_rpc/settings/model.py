"""The settings, and the only reader of the environment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self, TypeVar

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from stagely_rpc.settings.types import (
    DatabaseUrl,
    Domain,
    EncryptionKey,
    JwksLocation,
    JwtSecret,
    MessageBytes,
    OtlpEndpoint,
    Pause,
    Port,
    RedisUrl,
    Seconds,
)
from stagely_rpc.telemetry.logs.configure import LogLevel

if TYPE_CHECKING:
    from collections.abc import Iterator


class SettingsError(Exception):
    """Settings are missing or malformed: one line for each, with its variable and without its value."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


_NEEDS = (
    ("jwt_secret_previous", "jwt_secret"),
    ("tls_cert_file", "tls_key_file"),
    ("tls_key_file", "tls_cert_file"),
    ("tls_client_ca_file", "tls_cert_file"),
    ("permissions_file", "tls_client_ca_file"),
)
"""Settings that make no sense without another."""


def needs() -> dict[str, list[str]]:
    """Return the settings that make no sense without others, and those."""
    return {name: [other for each, other in _NEEDS if each == name] for name, _ in _NEEDS}


class DatabaseSettings(BaseSettings):
    """What `stagely-rpc migrate` takes from the environment. Each field is the variable of its name in upper case."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, env_ignore_empty=True)

    database_url: DatabaseUrl
    """PostgreSQL, as a libpq URL with any of libpq's parameters."""


class PortSettings(BaseSettings):
    """What `stagely-rpc probe` takes from the environment."""

    model_config = DatabaseSettings.model_config

    port: Port = 8080
    """The port to listen on; 0 takes a free one."""
    health_port: Port | None = None
    """A second port that offers health alone, in plaintext, as Kubernetes' probes speak it, and however busy the first
    is."""


class TokenSettings(BaseSettings):
    """The names that tokens carry."""

    model_config = DatabaseSettings.model_config

    jwt_issuer: str | None = None
    """What a token's `iss` must be; without it, anything."""
    jwt_audience: str | None = None
    """What a token's `aud` must be or include; without it, anything."""


class MintSettings(TokenSettings):
    """What `stagely-rpc token mint` takes from the environment."""

    jwt_secret: JwtSecret
    """Signs the token by HS256."""


class Settings(PortSettings, DatabaseSettings, TokenSettings):
    """What `stagely-rpc serve` takes from the environment."""

    redis_url: RedisUrl | None
    """Redis, for signals between replicas."""
    host: str = "0.0.0.0"  # noqa: S104
    """The address to listen on; the service runs in a network of its own."""
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    """This many processes share the port, the connections and the calls."""
    metrics_port: Port | None = None
    """A port for Prometheus, HTTP without TLS; 0 takes a free one."""
    otel_exporter_otlp_endpoint: OtlpEndpoint | None = None
    """A collector of traces: OTLP over gRPC. The SDK reads what else there is of `OTEL_*` itself."""
    environment: Literal["development", "test", "production"] = "development"
    """Production logs JSON, and does not start without an encryption key, or with authentication off."""
    log_level: LogLevel = "info"
    """The least that is logged; health checks are logged at debug."""
    encryption_key: EncryptionKey | None = None
    """The key-encryption key: 64 hexadecimal digits. Without one, no secret can be stored or read."""
    domain: Domain = "stagely.dev"
    """Environments are reached at https://<subdomain_hash>.<domain>."""

    jwt_secret: JwtSecret | None = None
    """Signs callers' tokens by HS256."""
    jwt_secret_previous: JwtSecret | None = None
    """During rotation, the secret before: its tokens are still taken, and no new ones signed."""
    jwt_jwks: JwksLocation | None = None
    """The issuer's JSON Web Key Set, for RS256, ES256 and EdDSA: a path, or an https URL."""
    tls_cert_file: Path | None = None
    """The server's certificate and those between it and its authority, PEM."""
    tls_key_file: Path | None = None
    """The key of the certificate, PEM."""
    tls_client_ca_file: Path | None = None
    """The authorities of callers' certificates, PEM. With it, callers must show one."""
    permissions_file: Path | None = None
    """What callers may do who show a certificate, by identity, TOML."""

    database_pool_size: Annotated[int, Field(ge=1, le=1000)] = 25
    """At most this many connections."""
    database_pool_idle: Annotated[int, Field(ge=0, le=1000)] = 5
    """This many connections stay open though no load asks for them."""
    database_pool_lifetime_seconds: Seconds = 300
    """A connection older than this is replaced when it is next used."""
    database_pool_wait_seconds: Seconds = 5
    """How long a call waits for a connection before RESOURCE_EXHAUSTED."""
    default_deadline_seconds: Seconds = 30
    """How long a call may take whose caller set no deadline; streams last as long as their callers want."""
    database_prepared_statements: bool | None = None
    """Whether statements are prepared; without it, unless a pooler such as PgBouncer is in between."""
    max_concurrent_rpcs: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """More calls than this at a time are refused with RESOURCE_EXHAUSTED. Health and reflection do not count."""
    max_concurrent_streams: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """More open streams than this are refused with RESOURCE_EXHAUSTED. They take nothing from MAX_CONCURRENT_RPCS."""
    max_request_bytes: MessageBytes = 4 * 1024 * 1024
    """A larger request is refused with RESOURCE_EXHAUSTED."""
    max_response_bytes: MessageBytes = 64 * 1024 * 1024
    """A larger response is not sent: its caller gets RESOURCE_EXHAUSTED, and should ask for less at a time."""
    max_connection_age_seconds: Seconds = 300
    """A connection this old takes no new calls, and its client makes another, to whichever replica there is by then."""
    max_connection_age_grace_seconds: Seconds = 30
    """How long its calls may take to end after that, streams too."""
    max_connection_idle_seconds: Seconds = 300
    """A connection that has had no call for so long is closed."""
    keepalive_seconds: Seconds = 60
    """A connection from which nothing came for so long is asked whether anyone is there."""
    keepalive_timeout_seconds: Seconds = 20
    """It is closed when nothing comes for so long after that."""
    health_interval_seconds: Seconds = 1
    """How often the service looks whether it can serve; a look that sees a change is followed by another at once."""
    health_timeout_seconds: Seconds = 1
    """How long a look may take."""
    idempotency_ttl_seconds: Annotated[int, Field(ge=60, le=2_592_000)] = 86_400
    """How long the answer of a request with a `request_id` is kept for its repetitions."""
    shutdown_pause_seconds: Pause = 3
    """How long calls are served on after SIGTERM, while health says NOT_SERVING and balancers take note."""
    shutdown_grace_seconds: Pause = 20
    """How long calls under way may take to end after the pause."""

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if problems := [*self._missing_in_production(), *self._missing_counterparts(), *self._conflicts()]:
            raise ValueError("\n".join(problems))
        return self

    def _missing_in_production(self) -> Iterator[str]:
        if self.environment != "production":
            return
        if self.encryption_key is None:
            yield "ENCRYPTION_KEY: is required in production; `stagely-rpc keys generate` prints one"
        if not self.authentication_is_on:
            yield "JWT_SECRET: is required in production, or JWT_JWKS or TLS_CLIENT_CA_FILE, to know who calls"

    def _missing_counterparts(self) -> Iterator[str]:
        missing = {
            other: name for name, other in _NEEDS if getattr(self, name) is not None and not getattr(self, other)
        }
        for other, name in missing.items():
            yield f"{other.upper()}: is required with {name.upper()}"

    def _conflicts(self) -> Iterator[str]:
        if self.health_port and self.health_port == self.port:
            yield "HEALTH_PORT: must be another port than PORT"
        if self.metrics_port and self.metrics_port in (self.port, self.health_port):
            yield "METRICS_PORT: must be another port than PORT and HEALTH_PORT"
        for shared in ("database_pool_size", "max_concurrent_rpcs", "max_concurrent_streams"):
            if self.workers > getattr(self, shared):
                yield f"WORKERS: must not be more than {shared.upper()}, of which each worker has a share"

    @property
    def authentication_is_on(self) -> bool:
        """Whether callers must show who they are."""
        return any((self.jwt_secret, self.jwt_jwks, self.tls_client_ca_file))

    @property
    def jwt_secrets(self) -> tuple[bytes, ...]:
        """The secrets by which HS256 is verified."""
        given = (self.jwt_secret, self.jwt_secret_previous)
        return tuple(secret.get_secret_value().encode() for secret in given if secret)

    @property
    def encryption_key_bytes(self) -> bytes | None:
        """The key-encryption key as its 32 bytes."""
        return bytes.fromhex(self.encryption_key.get_secret_value()) if self.encryption_key else None


class EmbeddedSettings(Settings):
    """What `stagely-rpc dev` takes from the environment: it brings its own database and key, and needs no Redis."""

    redis_url: RedisUrl | None = None
    host: str = "127.0.0.1"
    shutdown_pause_seconds: Pause = 0
    shutdown_grace_seconds: Pause = 3


AnySettings = TypeVar("AnySettings", bound=BaseSettings)


def load(model: type[AnySettings], **given: object) -> AnySettings:
    """Read the settings from the environment; what is given holds whatever the environment says.

    Raises:
        SettingsError: a setting is missing or malformed.
    """
    try:
        return model(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        found = error.errors(include_input=False)
        raise SettingsError(
            [line for problem in found for line in _lines(problem["loc"], problem["type"], problem["msg"])]
        ) from None


def _lines(location: tuple[int | str, ...], kind: str, message: str) -> list[str]:
    if kind == "missing":
        return [f"{str(location[0]).upper()}: is required"]
    text = message.removeprefix("Value error, ").removeprefix("Input ").replace("should ", "must ", 1)
    return [f"{str(location[0]).upper()}: {text}"] if location else text.splitlines()
