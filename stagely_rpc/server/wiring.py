"""Builds the parts of a server from the settings."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import grpc

from stagely_rpc.audit.denials import Denials
from stagely_rpc.audit.sealer import Sealer
from stagely_rpc.background import Periodic
from stagely_rpc.crypto import observer as key_observer
from stagely_rpc.crypto.derivation import derive_key
from stagely_rpc.crypto.envelope import Keyring
from stagely_rpc.db.database import Database
from stagely_rpc.db.driver import observer
from stagely_rpc.db.driver.pool import PoolLimits
from stagely_rpc.db.idempotency import IdempotencyStore
from stagely_rpc.db.schema.revision import needed_revision
from stagely_rpc.health import Cause
from stagely_rpc.identity.authentication import Authenticator
from stagely_rpc.identity.callers import CertificateCallers
from stagely_rpc.identity.certificates import ServerCertificates
from stagely_rpc.identity.jwks import KeySet
from stagely_rpc.identity.tokens import TokenVerifier
from stagely_rpc.interceptors.concurrency import ConcurrencyInterceptor
from stagely_rpc.interceptors.rerun import RerunInterceptor
from stagely_rpc.telemetry.logs.configure import json_lines
from stagely_rpc.wire.paging import PageTokens

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from contextlib import AbstractContextManager

    from grpc.aio import ServerInterceptor
    from prometheus_client import CollectorRegistry

    from stagely_rpc.audit.chain import ChainKey
    from stagely_rpc.settings.model import Settings
    from stagely_rpc.telemetry.metrics.metrics import Metrics
    from stagely_rpc.telemetry.traces.exporter import Tracing

_SAMPLE_SECONDS = 1.0


def build_database(settings: Settings, metrics: Metrics | None, tracing: Tracing | None) -> Database:
    """Return the database. Nothing connects yet."""
    limits = PoolLimits(
        size=settings.database_pool_size,
        idle=settings.database_pool_idle,
        lifetime_seconds=settings.database_pool_lifetime_seconds,
        wait_seconds=settings.database_pool_wait_seconds,
        prepared_statements=settings.database_prepared_statements,
    )
    idempotency_store = IdempotencyStore(_derived_key(settings, b"answers"), settings.idempotency_ttl_seconds)
    observers: list[observer.Observer] = [] if metrics is None else [metrics.database]
    if tracing is not None:
        from stagely_rpc.telemetry.traces.spans import DatabaseSpans  # noqa: PLC0415 - as in `build_tracing`

        observers.append(DatabaseSpans(tracing.tracer))
    return Database(settings.database_url.get_secret_value(), limits, idempotency_store, observer.all_of(observers))


def build_keyring(settings: Settings, metrics: Metrics | None, tracing: Tracing | None) -> Keyring:
    """Return the keyring."""
    observers: list[key_observer.KeyObserver] = [] if metrics is None else [metrics.keys]
    if tracing is not None:
        from stagely_rpc.telemetry.traces.spans import KeySpans  # noqa: PLC0415 - as in `build_tracing`

        observers.append(KeySpans(tracing.tracer))
    return Keyring(settings.encryption_key_bytes, key_observer.combine(observers))


def build_tracing(settings: Settings, metrics: Metrics | None) -> Tracing | None:
    """Return the tracing, if a collector is configured."""
    if settings.otel_exporter_otlp_endpoint is None:
        return None
    from stagely_rpc.telemetry.traces.exporter import Tracing  # noqa: PLC0415 - only traces need OpenTelemetry

    tracing = Tracing(settings.otel_exporter_otlp_endpoint)
    if metrics is not None:
        metrics.watch_spans(tracing.dropped)
    return tracing


def build_tracing_interceptors(tracing: Tracing | None) -> list[ServerInterceptor]:
    """Return the interceptor that traces calls; an empty list without a collector."""
    if tracing is None:
        return []
    from stagely_rpc.interceptors.tracing import TracingInterceptor  # noqa: PLC0415 - as in `build_tracing`

    return [TracingInterceptor(tracing.tracer)]


def build_denials(db: Database, metrics: Metrics | None) -> Denials:
    """Return the writer of denials to the audit log."""
    return Denials(db) if metrics is None else Denials(db, metrics.audit.denied)


def build_sealer(db: Database, key: ChainKey | None, metrics: Metrics | None) -> Sealer | None:
    """Return the sealer of the audit log; None without an encryption key."""
    return None if key is None else Sealer(db, key, None if metrics is None else metrics.audit)


def build_concurrency_interceptor(
    settings: Settings, methods: Collection[str], metrics: Metrics | None
) -> ConcurrencyInterceptor:
    """Return the interceptor that limits calls and streams. The metrics show the number of open streams."""
    interceptor = ConcurrencyInterceptor(settings.max_concurrent_rpcs, settings.max_concurrent_streams, methods)
    if metrics is not None:
        metrics.watch_streams(lambda: interceptor.streams)
    return interceptor


def build_rerun_interceptor(methods: Collection[str], metrics: Metrics | None) -> RerunInterceptor:
    """Return the interceptor that runs calls again."""
    return RerunInterceptor(methods) if metrics is None else RerunInterceptor(methods, metrics.count_retry)


def build_page_tokens(settings: Settings) -> PageTokens:
    """Return the page tokens, which every replica accepts."""
    return PageTokens(_derived_key(settings, b"page tokens"))


def build_server_certificates(settings: Settings) -> ServerCertificates | None:
    """Return the certificates of the port; None without TLS.

    Raises:
        CertificateError: a file can't be used.
    """
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    return ServerCertificates(settings.tls_cert_file, settings.tls_key_file, settings.tls_client_ca_file)


def build_authenticator(settings: Settings) -> Authenticator:
    """Return the authenticator.

    Raises:
        PermissionsError: the permissions file can't be used.
    """
    key_set = KeySet(settings.jwt_jwks) if settings.jwt_jwks else None
    certificates = CertificateCallers(settings.permissions_file) if settings.tls_client_ca_file else None
    return Authenticator(_tokens(settings, key_set), key_set, certificates)


def build_metrics(settings: Settings, *, supervised: bool) -> Metrics | None:
    """Return the metrics, if enabled. The supervisor reads the metrics of a worker from files."""
    if settings.metrics_port is None:
        return None
    from stagely_rpc.telemetry.metrics.http import registry_of, this_process  # noqa: PLC0415
    from stagely_rpc.telemetry.metrics.metrics import Metrics  # noqa: PLC0415 - only metrics need prometheus-client

    metrics = Metrics(None if supervised else registry_of(this_process, needed_revision()))
    if (lines := json_lines()) is not None:
        metrics.watch_log_lines(lambda: lines.dropped)
    return metrics


def build_grpc_server(
    interceptors: Sequence[ServerInterceptor], options: Sequence[tuple[str, int]], metrics: Metrics | None
) -> grpc.aio.Server:
    """Return the gRPC server. The metrics show the number of calls that arrive."""
    if metrics is None:
        return grpc.aio.server(interceptors=interceptors, options=options)
    from stagely_rpc.transport.channelz import calls_started, server_ids  # noqa: PLC0415 - as in `build_metrics`

    others = server_ids()
    server = grpc.aio.server(interceptors=interceptors, options=options)
    (server_id,) = server_ids() - others
    metrics.watch_arrivals(lambda: calls_started(server_id))
    return server


def build_health_listener(db: Database, metrics: Metrics | None) -> Callable[[Cause | None], None]:
    """Return the listener for changes of health.

    Connections that were opened while the database was read-only would stay read-only, so they are replaced when the
    server becomes healthy.
    """
    show = (lambda _: None) if metrics is None else metrics.health(Cause)
    last: Cause | None = None

    def listen(cause: Cause | None) -> None:
        nonlocal last
        if last is Cause.DATABASE_READ_ONLY:
            db.replace_connections()
        last = cause
        show(cause)

    return listen


def build_sampling(metrics: Metrics) -> Periodic:
    """Return the background job that samples the gauges."""
    return Periodic("metrics", _SAMPLE_SECONDS, metrics.sample)


def build_metrics_endpoint(settings: Settings, registry: CollectorRegistry) -> AbstractContextManager[int]:
    """Return a context manager that serves the metrics, and gives their port.

    Raises:
        ListenError: on entering, if the port can't be opened.
    """
    from stagely_rpc.telemetry.metrics.http import metrics_port  # noqa: PLC0415

    return metrics_port(settings.host, settings.metrics_port or 0, registry)


def _tokens(settings: Settings, key_set: KeySet | None) -> TokenVerifier | None:
    if not settings.jwt_secrets and key_set is None:
        return None
    return TokenVerifier(
        secrets=settings.jwt_secrets, key_set=key_set, issuer=settings.jwt_issuer, audience=settings.jwt_audience
    )


def _derived_key(settings: Settings, purpose: bytes) -> bytes:
    """Return the key for a purpose, derived from the encryption key, so that every replica has the same key.

    Without an encryption key the derived key is random: page tokens and stored responses end with the process.
    Production requires an encryption key.
    """
    secret = settings.encryption_key_bytes
    if secret is None:
        return secrets.token_bytes(32)
    return derive_key(secret, purpose)
