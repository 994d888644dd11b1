"""The chain: what every call passes through before it reaches a servicer, and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grpc_health.v1 import health

from stagely_rpc.call import Policy
from stagely_rpc.interceptors.access_log import AccessLogInterceptor
from stagely_rpc.interceptors.auth import AuthInterceptor
from stagely_rpc.interceptors.concurrency import ConcurrencyInterceptor
from stagely_rpc.interceptors.context import ContextInterceptor
from stagely_rpc.interceptors.deadline import DeadlineInterceptor
from stagely_rpc.interceptors.decoding import DecodingInterceptor
from stagely_rpc.interceptors.errors import ErrorInterceptor
from stagely_rpc.interceptors.idempotency import IdempotencyInterceptor
from stagely_rpc.interceptors.metrics import MetricsInterceptor
from stagely_rpc.server.services import SERVICES
from stagely_rpc.server.wiring import build_rerun_interceptor, build_tracing_interceptors
from stagely_rpc.transport.reflection import REFLECTION_METHOD
from stagely_rpc.wire.policies import policies, repeatable_responses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grpc.aio import ServerInterceptor

    from stagely_rpc.audit.denials import Denials
    from stagely_rpc.db.database import Database
    from stagely_rpc.identity.authentication import Authenticator
    from stagely_rpc.settings.model import Settings
    from stagely_rpc.telemetry.metrics.metrics import Metrics
    from stagely_rpc.telemetry.traces.exporter import Tracing

HEALTH_METHODS = tuple(f"/{health.SERVICE_NAME}/{method}" for method in ("Check", "List", "Watch"))
REFLECTION_POLICY = Policy(permission="reflection.use", acting_for="any_user")
"""The policy of reflection in production. Elsewhere reflection is open to everyone."""


def build_chain(
    settings: Settings,
    db: Database,
    authenticator: Authenticator,
    denials: Denials,
    metrics: Metrics | None,
    tracing: Tracing | None,
) -> Sequence[ServerInterceptor]:
    """Return the interceptors, outermost first."""
    reflection = {} if settings.environment != "production" else {REFLECTION_METHOD: REFLECTION_POLICY}
    open_methods = HEALTH_METHODS if reflection else (*HEALTH_METHODS, REFLECTION_METHOD)
    admitted, repeatable = policies(SERVICES), repeatable_responses(SERVICES)
    return (
        ContextInterceptor(),
        *build_tracing_interceptors(tracing),
        *([] if metrics is None else [MetricsInterceptor(metrics)]),
        AccessLogInterceptor(),
        ErrorInterceptor(),
        ConcurrencyInterceptor(settings.max_concurrent_rpcs, admitted),
        DeadlineInterceptor(settings.default_deadline_seconds),
        AuthInterceptor(authenticator, admitted | reflection, open_methods, db, denials),
        DecodingInterceptor(),
        IdempotencyInterceptor(repeatable),
        build_rerun_interceptor(repeatable, metrics),
    )
