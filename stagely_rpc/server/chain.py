"""The chain of interceptors, in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from grpc_health.v1 import health

from stagely_rpc.call import Policy
from stagely_rpc.interceptors.access_log import AccessLogInterceptor
from stagely_rpc.interceptors.admission import Admission
from stagely_rpc.interceptors.auth import REAUTHORIZE_SECONDS, AuthInterceptor
from stagely_rpc.interceptors.context import ContextInterceptor
from stagely_rpc.interceptors.deadline import DeadlineInterceptor
from stagely_rpc.interceptors.decoding import DecodingInterceptor
from stagely_rpc.interceptors.draining import DrainingInterceptor
from stagely_rpc.interceptors.errors import ErrorInterceptor
from stagely_rpc.interceptors.idempotency import IdempotencyInterceptor
from stagely_rpc.interceptors.metrics import MetricsInterceptor
from stagely_rpc.server.services import SERVICES
from stagely_rpc.server.wiring import (
    build_concurrency_interceptor,
    build_rerun_interceptor,
    build_tracing_interceptors,
)
from stagely_rpc.transport.reflection import REFLECTION_METHOD
from stagely_rpc.wire.policies import idempotent_responses, policies

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from google.protobuf.descriptor import ServiceDescriptor
    from grpc.aio import ServerInterceptor

    from stagely_rpc.audit.denials import Denials
    from stagely_rpc.db.database import Database
    from stagely_rpc.draining import Draining
    from stagely_rpc.identity.authentication import Authenticator
    from stagely_rpc.settings.model import Settings
    from stagely_rpc.telemetry.metrics.metrics import Metrics
    from stagely_rpc.telemetry.traces.exporter import Tracing

HEALTH_METHODS = tuple(f"/{health.SERVICE_NAME}/{method}" for method in ("Check", "List", "Watch"))
REFLECTION_POLICY = Policy(permission="reflection.use", acting_for="any_user")
"""The policy of reflection in production. Elsewhere reflection is open to everyone."""


@dataclass(frozen=True, slots=True)
class ChainParts:
    """The parts of a server that its interceptors use."""

    db: Database
    authenticator: Authenticator
    denials: Denials
    draining: Draining
    metrics: Metrics | None
    tracing: Tracing | None


def build_chain(
    settings: Settings,
    parts: ChainParts,
    services: Iterable[ServiceDescriptor] = SERVICES,
    *,
    reauthorize_seconds: float = REAUTHORIZE_SECONDS,
) -> Sequence[ServerInterceptor]:
    """Return the interceptors, outermost first.

    Args:
        settings: the settings of the server.
        parts: the parts that the interceptors use.
        services: the services of the contract.
        reauthorize_seconds: how often an open stream is authorized again.
    """
    metrics = parts.metrics
    reflection = {} if settings.environment != "production" else {REFLECTION_METHOD: REFLECTION_POLICY}
    open_methods = HEALTH_METHODS if reflection else (*HEALTH_METHODS, REFLECTION_METHOD)
    admitted, idempotent = policies(services), idempotent_responses(services)
    admission = Admission(parts.authenticator, parts.db)
    return (
        ContextInterceptor(),
        *build_tracing_interceptors(parts.tracing),
        *([] if metrics is None else [MetricsInterceptor(metrics)]),
        AccessLogInterceptor(),
        ErrorInterceptor(),
        build_concurrency_interceptor(settings, admitted, metrics),
        DeadlineInterceptor(settings.default_deadline_seconds),
        DrainingInterceptor(parts.draining, admitted),
        AuthInterceptor(
            admission,
            admitted | reflection,
            open_methods,
            parts.denials,
            reauthorize_seconds=reauthorize_seconds,
        ),
        DecodingInterceptor(),
        IdempotencyInterceptor(idempotent),
        build_rerun_interceptor(idempotent, metrics),
    )
