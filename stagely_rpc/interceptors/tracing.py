"""A span for each call, in the caller's trace if the call has one (W3C Trace Context)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode, format_trace_id
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from stagely_rpc.call import current_call
from stagely_rpc.interceptors.access_log import HEALTH_SERVICE
from stagely_rpc.interceptors.metadata import values_of
from stagely_rpc.interceptors.observer import ObservingInterceptor

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

    from stagely_rpc.call import Metadata

_FAULTS = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})
"""The codes that count as server errors, by OpenTelemetry's conventions for gRPC."""

_PROPAGATOR = TraceContextTextMapPropagator()
_NO_PARENT = Context()


class TracingInterceptor(ObservingInterceptor):
    """Traces the calls that the sampler selects. Health checks are never traced."""

    def __init__(self, tracer: Tracer) -> None:
        super().__init__()
        self._tracer = tracer

    def observer(self, method: str) -> CallSpans | None:
        """Return the observer that traces the calls of a method."""
        return None if method.startswith(HEALTH_SERVICE) else CallSpans(self._tracer, method.removeprefix("/"))


class CallSpans:
    """Creates a span for each call of one method."""

    def __init__(self, tracer: Tracer, method: str) -> None:
        self._tracer = tracer
        self._name = method
        service, _, name = method.rpartition("/")
        self._attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name}

    def begin(self) -> Span | None:
        """Start the span and set it on the call. Return None if the call is not sampled."""
        call = current_call.get()
        span = self._tracer.start_span(
            self._name, context=_parent(call.metadata), kind=SpanKind.SERVER, attributes=self._attributes
        )
        if not span.is_recording():
            return None
        span.set_attribute("stagely.request_id", call.request_id)
        call.trace_id = format_trace_id(span.get_span_context().trace_id)
        call.span = span
        return span

    def end(self, span: Span | None, code: str) -> None:
        """End the span with a gRPC code."""
        if span is None:
            return
        span.set_attribute("rpc.grpc.status_code", grpc.StatusCode[code].value[0])
        if code in _FAULTS:
            span.set_status(Status(StatusCode.ERROR))
        span.end()


def _parent(metadata: Metadata) -> Context:
    """Return the caller's span, if any."""
    parents = values_of("traceparent", metadata)
    if len(parents) != 1:
        return _NO_PARENT
    states = ",".join(values_of("tracestate", metadata))
    return _PROPAGATOR.extract({"traceparent": parents[0], "tracestate": states}, _NO_PARENT)
