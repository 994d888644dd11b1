"""Generates docs/metrics.md, the list of all metrics, from the code that defines them."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any, cast

from stagely_rpc.process.metrics import WorkersMetrics
from stagely_rpc.telemetry.metrics.http import registry_of, this_process
from stagely_rpc.telemetry.metrics.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import CollectorRegistry

_HEAD = """\
# Metrics

The service exports these metrics at `/metrics` on `METRICS_PORT`, in Prometheus' text format. With `WORKERS`, each
value is the sum over all workers. `make generate` writes this page from the code. Label values are names from the code
and ids of key-encryption keys. No label value comes from a request.

A histogram has `_bucket` (by `le`), `_sum` and `_count`. A counter starts at 0 with the process. Gauges are sampled
once a second. The alerts (`deploy/prometheus/alerts.yml`) and the dashboard (`deploy/grafana/stagely-rpc.json`) use
these metrics.

| metric | type | labels | |
|---|---|---|---|
"""


def page() -> str:
    """Return the page."""
    return _HEAD + "".join(sorted(_rows()))


def _rows() -> Iterator[str]:
    registry = registry_of(this_process, "")
    Metrics(registry)
    with tempfile.TemporaryDirectory() as directory:
        registries = registry, WorkersMetrics(directory, this_process, "").registry
        labels = {name: names for each in registries for name, names in _label_names(each)}
        families = {family.name: family for each in registries for family in each.collect()}
    for name, family in families.items():
        suffix = "_total" if family.type == "counter" else ""
        names = labels[name] if name in labels else tuple(family.samples[0].labels)
        listed = ", ".join(map("`{}`".format, names))
        yield f"| `{name}{suffix}` | {family.type} | {listed} | {family.documentation} |\n"


def _label_names(registry: CollectorRegistry) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the name and the label names of each metric. A metric that was never used has no sample that names them."""
    for collector, names in cast("Any", registry)._collector_to_names.items():  # noqa: SLF001 - there is no public way
        yield from ((name, getattr(collector, "_labelnames", ())) for name in names)
