"""How spans get to the collector: from a bounded queue, by a thread that no call waits for."""

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
"""How long the last spans may take on their way."""

_QUEUED_SPANS = 4096
_CUT_OFF_SECONDS = 0.5

_log = structlog.get_logger(__name__)


class Tracing:
    """Makes spans and sends them. What it does not say here, the SDK reads from its own variables, `OTEL_*`.

    Attributes:
        tracer: makes spans.
    """

    def __init__(self, endpoint: str) -> None:
        """Begin to send whatever is traced; the collector need not be there.

        Args:
            endpoint: of the collector, an http or https URL: OTLP over gRPC, without TLS or with it.
        """
        # The exporter logs every attempt; here, one line tells of each change.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)
        self._exporter = _WatchedExporter(endpoint)
        self._queue = _WatchedQueue(self._exporter)
        self._provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        self._provider.add_span_processor(self._queue)
        self.tracer = self._provider.get_tracer(SERVICE_NAME, __version__)

    def dropped(self) -> int:
        """Return how many spans were dropped: the queue was full, or the collector did not take them."""
        return self._queue.dropped + self._exporter.dropped

    async def stop(self) -> None:
        """Send what is left, if the collector takes it in time."""
        ending = Thread(target=self._provider.shutdown, name="traces", daemon=True)
        ending.start()
        await asyncio.to_thread(ending.join, STOP_SECONDS)
        if ending.is_alive():
            self._exporter.shutdown()
            await asyncio.to_thread(ending.join, _CUT_OFF_SECONDS)


class _WatchedExporter(SpanExporter):
    """Sends spans, counts those that the collector did not take, and says so once until it takes some again."""

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
            _log.info("traces are taken again", collector=self._collector)
        self._is_failing = False

    def _note_failure(self, spans: int) -> None:
        self.dropped += spans
        if not self._is_failing:
            _log.warning("traces are dropped: the collector does not take them", collector=self._collector)
        self._is_failing = True


class _WatchedQueue(BatchSpanProcessor):
    """The spans that wait; when it is full, the oldest makes room and is counted."""

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
    """Return what all spans of this process have in common; `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` win."""
    own: dict[str, str | int] = {
        "service.name": SERVICE_NAME,
        "service.version": __version__,
        "service.instance.id": str(uuid.uuid4()),
        "process.pid": os.getpid(),
    }
    return Resource.create({}).merge(Resource(own)).merge(OTELResourceDetector().detect())
