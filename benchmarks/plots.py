"""The plots: throughput and latency by concurrency, as self-contained SVG for light and dark pages."""

from __future__ import annotations

import statistics
import sys
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pygal  # type: ignore[import-untyped]
from pygal.style import Style  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.curves import Point
    from benchmarks.report import MeasuredCurve

# pygal leaves a finder behind, for plug-ins that are not used here; Python warns of its form at each import that fails.
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != pygal.__name__]

_WIDTH, _HEIGHT = 800, 420
_COLORS = ("#2f6fdb", "#d9822b", "#2e9e5b", "#b8529e")
_SVG = "http://www.w3.org/2000/svg"
ET.register_namespace("", _SVG)

_STYLE = Style(
    background="transparent",
    plot_background="transparent",
    foreground="#808080",
    foreground_strong="#808080",
    foreground_subtle="#a0a0a0",
    guide_stroke_color="#a0a0a0",
    major_guide_stroke_color="#a0a0a0",
    colors=_COLORS * 2,
    font_family="sans-serif",
    opacity="1",
    stroke_width=2,
    title_font_size=16,
    label_font_size=12,
    major_label_font_size=12,
    legend_font_size=12,
)
_DASHED = {"width": 2, "dasharray": "4, 4"}


def plots(curve: MeasuredCurve) -> dict[str, str]:
    """Return the plots of a method by their names."""
    return {"throughput": _throughput(curve), "latency": _latency(curve)}


def _throughput(curve: MeasuredCurve) -> str:
    chart = _chart(curve, f"{curve.name}: calls per second, by calls in flight")
    for subject in curve.subjects:
        chart.add(subject, _medians(curve, subject, lambda point: point.calls_per_second))
    return _svg(chart)


def _latency(curve: MeasuredCurve) -> str:
    chart = _chart(curve, f"{curve.name}: milliseconds, p50 and p99 (dashed), by calls in flight", logarithmic=True)
    for subject in curve.subjects:
        chart.add(f"{subject}, p50", _medians(curve, subject, lambda point: point.p50_micros / 1000))
    for subject in curve.subjects:
        chart.add(
            f"{subject}, p99", _medians(curve, subject, lambda point: point.p99_micros / 1000), stroke_style=_DASHED
        )
    return _svg(chart)


def _chart(curve: MeasuredCurve, title: str, *, logarithmic: bool = False) -> pygal.Line:
    chart = pygal.Line(
        title=title,
        x_labels=list(map(str, curve.levels)),
        width=_WIDTH,
        height=_HEIGHT,
        style=_STYLE,
        dots_size=2,
        logarithmic=logarithmic,
        include_x_axis=not logarithmic,
        formatter=lambda value: f"{value:,.4g}" if logarithmic else f"{value:,.0f}",
        legend_at_bottom=True,
        legend_at_bottom_columns=len(curve.subjects),
        js=[],
    )
    # Otherwise the id is random and changes each time.
    chart.uuid = curve.name.lower()
    return chart


def _medians(curve: MeasuredCurve, subject: str, of: Callable[[Point], float]) -> list[float]:
    by_level = zip(*(points[subject] for points in curve.rounds), strict=True)
    return [statistics.median(map(of, points)) for points in by_level]


def _svg(chart: pygal.Line) -> str:
    """Return a chart without scripts, which have no effect in a page, and comments, which contain the date."""
    root = ET.fromstring(chart.render())  # noqa: S314 - it was made here; reading it drops the comments
    for parent in list(root.iter()):
        for script in parent.findall(f"{{{_SVG}}}script"):
            parent.remove(script)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"
