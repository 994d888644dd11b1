"""Traces, by OpenTelemetry: imported where `OTEL_EXPORTER_OTLP_ENDPOINT` asks for them, and nowhere else."""

from __future__ import annotations
