"""The settings, and the only reader of the environment.

Each field is the environment variable of its name in upper case. The docstring below a field says what the setting
means; docs/settings.md and docs/settings.schema.json are generated from the fields and their docstrings.
"""

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
    """Settings are missing or malformed. Each line names a variable and never shows its value."""

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
"""Pairs of a setting and another setting that it requires."""


def needs() -> dict[str, list[str]]:
    """Return the settings that require other settings, each with those it requires."""
    return {name: [other for each, other in _NEEDS if each == name] for name, _ in _NEEDS}


class DatabaseSettings(BaseSettings):
    """The settings of `stagely-rpc migrate` and `stagely-rpc audit`."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, env_ignore_empty=True)

    database_url: DatabaseUrl
    """The PostgreSQL database. The URL may have any of libpq's parameters. For failover, name all servers:
    `postgresql://user@one,other/stagely?target_session_attrs=read-write`."""


class PortSettings(BaseSettings):
    """The settings of `stagely-rpc probe`."""

    model_config = DatabaseSettings.model_config

    port: Port = 8080
    """The port of the service. 0 takes a free port."""
    health_port: Port | None = None
    """A second port that serves only health checks, without TLS, because Kubernetes' probes have no TLS. It responds
    even when `PORT` is overloaded. It must differ from `PORT`, except that 0 takes a free port."""


class TokenSettings(BaseSettings):
    """The issuer and audience of bearer tokens."""

    model_config = DatabaseSettings.model_config

    jwt_issuer: str | None = None
    """The issuer that a token's `iss` must equal. If not set, `iss` is not checked."""
    jwt_audience: str | None = None
    """The audience that a token's `aud` must equal or include. If not set, `aud` is not checked."""


class MintSettings(TokenSettings):
    """The settings of `stagely-rpc token mint`."""

    jwt_secret: JwtSecret
    """The secret that signs the token with HS256."""


class Settings(PortSettings, DatabaseSettings, TokenSettings):
    """The settings of `stagely-rpc serve`."""

    redis_url: RedisUrl | None
    """Redis, for signals between replicas. None are sent yet."""
    host: str = "0.0.0.0"  # noqa: S104
    """The address to listen on, for all ports."""
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    """The number of processes that share the port and the limits `DATABASE_POOL_SIZE`, `DATABASE_POOL_IDLE`,
    `MAX_CONCURRENT_RPCS` and `MAX_CONCURRENT_STREAMS`. Each limit except `DATABASE_POOL_IDLE` must be at least this
    number. A process that dies is replaced. `serve --workers` overrides this setting. More than 1 needs Linux."""
    metrics_port: Port | None = None
    """A port that serves the metrics of all workers to Prometheus, at `/metrics`, without TLS. It must differ from
    `PORT` and `HEALTH_PORT`, except that 0 takes a free port."""
    otel_exporter_otlp_endpoint: OtlpEndpoint | None = None
    """A collector that receives traces by OTLP over gRPC, such as `http://collector:4317`. If not set, there are no
    traces. The OpenTelemetry SDK reads the other `OTEL_*` variables, such as `OTEL_SERVICE_NAME`, `OTEL_TRACES_SAMPLER`
    and `OTEL_EXPORTER_OTLP_HEADERS`."""
    environment: Literal["development", "test", "production"] = "development"
    """In production, the service logs JSON, requires an encryption key and authentication, and requires the permission
    `reflection.use` for server reflection."""
    log_level: LogLevel = "info"
    """The lowest level that is logged. Health checks are logged at `debug`. If the log reader stalls, calls continue:
    up to 8 MiB is buffered, then lines are dropped and counted."""
    encryption_key: EncryptionKey | None = None
    """The key that encrypts the data keys of the teams. `stagely-rpc keys generate` prints a new one. Without a key, no
    secret can be stored or read."""
    domain: Domain = "stagely.dev"
    """The domain of the environments: their URLs are `https://<subdomain_hash>.<domain>`."""

    jwt_secret: JwtSecret | None = None
    """The secret that verifies callers' tokens, signed with HS256. In production, `JWT_SECRET`, `JWT_JWKS` or
    `TLS_CLIENT_CA_FILE` is required."""
    jwt_secret_previous: JwtSecret | None = None
    """The old secret during a rotation. Its tokens are still accepted."""
    jwt_jwks: JwksLocation | None = None
    """The JSON Web Key Set that verifies callers' tokens, signed with RS256, ES256 or EdDSA. `http` is allowed for this
    host only."""
    tls_cert_file: Path | None = None
    """The server's certificate and its intermediate certificates, as PEM. With it, `PORT` serves TLS. The service
    reloads the file when it changes."""
    tls_key_file: Path | None = None
    """The private key of the server's certificate, as PEM. The service reloads the file when it changes."""
    tls_client_ca_file: Path | None = None
    """The certificate authorities of client certificates, as PEM. With it, callers must present a certificate. The
    caller's identity is its SPIFFE ID, or else its DNS name, or else its CN. The service reloads the file when it
    changes."""
    permissions_file: Path | None = None
    """The permissions of callers with client certificates, as TOML: the table `[identities]`, with a line for each
    identity, such as `"spiffe://stagely.dev/reaper" = ["environments.*"]`. The service reloads the file when it
    changes."""

    database_pool_size: Annotated[int, Field(ge=1, le=1000)] = 25
    """The maximum number of connections, for all workers together. Each worker has one more, for its health checks."""
    database_pool_idle: Annotated[int, Field(ge=0, le=1000)] = 5
    """The number of connections that stay open when they are not needed, for all workers together."""
    database_pool_lifetime_seconds: Seconds = 300
    """A connection older than this is replaced at its next use."""
    database_pool_wait_seconds: Seconds = 5
    """How long a call waits for a connection before it fails with RESOURCE_EXHAUSTED."""
    default_deadline_seconds: Seconds = 30
    """The deadline of a call whose caller set none. Streams have no default deadline."""
    database_prepared_statements: bool | None = None
    """Whether to use prepared statements. Default: on, except behind a pooler such as PgBouncer. Set `true` for a
    pooler that supports prepared statements: see "Scale out" in docs/operations.md."""
    max_concurrent_rpcs: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """The maximum number of calls in progress, for all workers together. More calls are refused with RESOURCE_EXHAUSTED
    and `RetryInfo`. Streams, health checks and reflection don't count. Queued calls don't count: above 400 queued calls
    in a worker, gRPC sheds new ones (CANCELLED) with rising probability."""
    max_concurrent_streams: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """The maximum number of open streams, for all workers together. More streams are refused with RESOURCE_EXHAUSTED
    and `RetryInfo`. Streams don't count toward `MAX_CONCURRENT_RPCS`."""
    max_request_bytes: MessageBytes = 4 * 1024 * 1024
    """The maximum size of a request message. gRPC refuses a larger one with RESOURCE_EXHAUSTED, without details, and
    does not log or count it: `SERVER: Received message larger than max (5242888 vs. 4194304)`."""
    max_response_bytes: MessageBytes = 64 * 1024 * 1024
    """The maximum size of a response message. gRPC does not send a larger one: the caller gets RESOURCE_EXHAUSTED,
    without details, although the call took effect: `SERVER: Sent message larger than max (…)`."""
    max_connection_age_seconds: Seconds = 300
    """The maximum age of a client's connection, plus or minus a tenth. An older connection takes no new calls, so that
    the client reconnects and finds new replicas."""
    max_connection_age_grace_seconds: Seconds = 30
    """How long calls in progress, including streams, may take after their connection reached its maximum age."""
    max_connection_idle_seconds: Seconds = 300
    """A client's connection without calls for this long is closed."""
    keepalive_seconds: Seconds = 60
    """A client's connection that is silent for this long gets a keepalive ping."""
    keepalive_timeout_seconds: Seconds = 20
    """A connection that does not respond to a keepalive ping within this time is closed."""
    health_interval_seconds: Seconds = 1
    """The interval between readiness checks. A check that contradicts the reported health is repeated after at most
    0.25 s."""
    health_timeout_seconds: Seconds = 1
    """The time limit of a readiness check."""
    idempotency_ttl_seconds: Annotated[int, Field(ge=60, le=2_592_000)] = 86_400
    """How long the response to a request with a `request_id` is stored for retries."""
    shutdown_pause_seconds: Pause = 3
    """How long the service accepts calls after SIGTERM. Health is NOT_SERVING during that time, so that load balancers
    stop sending calls."""
    shutdown_grace_seconds: Pause = 20
    """How long calls in progress may take after `SHUTDOWN_PAUSE_SECONDS`. A second signal ends them at once."""

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
            yield "JWT_SECRET: is required in production, unless JWT_JWKS or TLS_CLIENT_CA_FILE is set"

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
                yield f"WORKERS: must not be more than {shared.upper()}, which the workers share"

    @property
    def authentication_is_on(self) -> bool:
        """Whether callers must authenticate."""
        return any((self.jwt_secret, self.jwt_jwks, self.tls_client_ca_file))

    @property
    def jwt_secrets(self) -> tuple[bytes, ...]:
        """The secrets that verify HS256 tokens: the current one, then the previous one."""
        given = (self.jwt_secret, self.jwt_secret_previous)
        return tuple(secret.get_secret_value().encode() for secret in given if secret)

    @property
    def encryption_key_bytes(self) -> bytes | None:
        """The key-encryption key as 32 bytes."""
        return bytes.fromhex(self.encryption_key.get_secret_value()) if self.encryption_key else None


class EmbeddedSettings(Settings):
    """The settings of `stagely-rpc dev`, which has its own database and key, and needs no Redis."""

    redis_url: RedisUrl | None = None
    host: str = "127.0.0.1"
    shutdown_pause_seconds: Pause = 0
    shutdown_grace_seconds: Pause = 3


AnySettings = TypeVar("AnySettings", bound=BaseSettings)


def load(model: type[AnySettings], **given: object) -> AnySettings:
    """Read the settings from the environment; `given` values override the environment.

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
