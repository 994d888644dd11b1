"""Traces with OpenTelemetry. Imported only if `OTEL_EXPORTER_OTLP_ENDPOINT` is set."""

from __future__ import annotations
