"""Exports spans to the collector from a bounded queue in a thread, so that no call waits."""

from __future__ import annotations

import asyncio
import logging
import os
import uuid
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from stagely_rpc import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import ReadableSpan

SERVICE_NAME = "stagely-rpc"
STOP_SECONDS = 2.0
"""The time limit for exporting the last spans."""

_QUEUED_SPANS = 4096
_CUT_OFF_SECONDS = 0.5

_log = structlog.get_logger(__name__)


class Tracing:
    """Creates spans and exports them. The SDK reads further options from its own variables, `OTEL_*`.

    Attributes:
        tracer: the tracer of the service.
    """

    def __init__(self, endpoint: str) -> None:
        """Start exporting. The collector need not be reachable.

        Args:
            endpoint: the http or https URL of the collector. OTLP over gRPC; TLS with https.
        """
        # Silence the exporter, which logs every attempt. `_WatchedExporter` logs each change once.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)
        self._exporter = _WatchedExporter(endpoint)
        self._queue = _WatchedQueue(self._exporter)
        self._provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        self._provider.add_span_processor(self._queue)
        self.tracer = self._provider.get_tracer(SERVICE_NAME, __version__)

    def dropped(self) -> int:
        """Return the number of spans that were dropped, because the queue was full or the collector refused them."""
        return self._queue.dropped + self._exporter.dropped

    async def stop(self) -> None:
        """Export the remaining spans, within a time limit."""
        ending = Thread(target=self._provider.shutdown, name="traces", daemon=True)
        ending.start()
        await asyncio.to_thread(ending.join, STOP_SECONDS)
        if ending.is_alive():
            self._exporter.shutdown()
            await asyncio.to_thread(ending.join, _CUT_OFF_SECONDS)


class _WatchedExporter(SpanExporter):
    """Exports spans, and counts the spans that failed. Logs the first failure and the recovery."""

    def __init__(self, endpoint: str) -> None:
        self.dropped = 0
        self.taken = 0
        self._collector = urlsplit(endpoint).netloc
        self._exporter = OTLPSpanExporter(endpoint)
        self._is_failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.taken += len(spans)
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self._note_success()
        else:
            self._note_failure(len(spans))
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def _note_success(self) -> None:
        if self._is_failing:
            _log.info("trace export recovered", collector=self._collector)
        self._is_failing = False

    def _note_failure(self, spans: int) -> None:
        self.dropped += spans
        if not self._is_failing:
            _log.warning("trace export failed: spans are dropped", collector=self._collector)
        self._is_failing = True


class _WatchedQueue(BatchSpanProcessor):
    """The queue of spans. When it is full, the oldest span is dropped and counted."""

    def __init__(self, exporter: _WatchedExporter) -> None:
        super().__init__(exporter, max_queue_size=_QUEUED_SPANS)
        self.dropped = 0
        self._watched = exporter
        self._queued = 0

    def on_end(self, span: ReadableSpan) -> None:
        if self._queued - self.dropped - self._watched.taken >= _QUEUED_SPANS:
            self.dropped += 1
        self._queued += 1
        super().on_end(span)


def _resource() -> Resource:
    """Return the resource of all spans. `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` override it."""
    own: dict[str, str | int] = {
        "service.name": SERVICE_NAME,
        "service.version": __version__,
        "service.instance.id": str(uuid.uuid4()),
        "process.pid": os.getpid(),
    }
    return Resource.create({}).merge(Resource(own)).merge(OTELResourceDetector().detect())
