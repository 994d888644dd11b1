"""Write docs/metrics.md: every metric of the service, from the code that counts it."""

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

What `METRICS_PORT` answers with at `/metrics`, in Prometheus' text format; with `WORKERS`, the sum of all workers.
`make generate` writes this page from the code. Labels are names out of the code, and ids of key-encryption keys: no
value of a request is one.

A histogram has `_bucket` (by `le`), `_sum` and `_count`; a counter starts at 0 with the process. What goes up and down
is looked at once a second. The alerts (`deploy/prometheus/alerts.yml`) and the dashboard
(`deploy/grafana/stagely-rpc.json`) are made of these.

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
        labels = {name: names for each in registries for name, names in _labels_of_the_unused(each)}
        families = {family.name: family for each in registries for family in each.collect()}
    for name, family in families.items():
        suffix = "_total" if family.type == "counter" else ""
        names = labels[name] if name in labels else tuple(family.samples[0].labels)
        listed = ", ".join(map("`{}`".format, names))
        yield f"| `{name}{suffix}` | {family.type} | {listed} | {family.documentation} |\n"


def _labels_of_the_unused(registry: CollectorRegistry) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the labels of each metric by its name: one that was not used yet has no sample to tell them."""
    for collector, names in cast("Any", registry)._collector_to_names.items():  # noqa: SLF001 - nothing public tells it
        yield from ((name, getattr(collector, "_labelnames", ())) for name in names)
