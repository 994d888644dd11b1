"""The result of a run: every round, and what it was measured on; kept as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
from pydantic import TypeAdapter

from benchmarks.curves import Point  # noqa: TC001 - pydantic reads the annotations
from benchmarks.measure import Figures, Spread
from benchmarks.processes import ROOT, BenchmarkError
from benchmarks.rows import LATENCY, P50, P99, RATE, Comparison

if TYPE_CHECKING:
    from collections.abc import Iterator

_ATTRIBUTES = {
    RATE: "calls_per_second",
    P50: "p50_micros",
    P99: "p99_micros",
    LATENCY: "alone_p50_micros",
}
RESULTS = ROOT / "benchmarks" / "results"


@dataclass(frozen=True)
class MeasuredRow:
    """A row's rounds: the figures of each subject, by its name. The row is about the first one."""

    name: str
    subjects: list[str]
    comparisons: list[Comparison]
    rounds: list[dict[str, Figures]]

    def spread(self, figure: str, subject: str) -> Spread:
        """Sum up what a subject did."""
        return Spread.of(_value(figures[subject], figure) for figures in self.rounds)

    def ratio(self, comparison: Comparison) -> Spread:
        """Sum up the ratios of the rounds."""
        about, to, figure = self.subjects[0], comparison.to, comparison.figure
        return Spread.of(_value(figures[about], figure) / _value(figures[to], figure) for figures in self.rounds)


@dataclass(frozen=True)
class MeasuredCurve:
    """The rounds of a method's subjects: a point for each level of concurrency."""

    name: str
    subjects: list[str]
    levels: list[int]
    rounds: list[dict[str, list[Point]]]


@dataclass(frozen=True)
class Report:
    """A run.

    Attributes:
        started: the time in ISO 8601.
        commit: the measured commit.
        is_dirty: whether the checkout had uncommitted changes.
        setting: the settings of the run.
        machine: the machine of the run.
        rows: the rows of the table.
        curves: the curves by concurrency.
    """

    started: str
    commit: str
    is_dirty: bool
    setting: dict[str, float]
    machine: dict[str, str]
    rows: list[MeasuredRow]
    curves: list[MeasuredCurve]

    @property
    def file_name(self) -> str:
        """The name by which it is kept."""
        return f"{self.started[:10]}-{self.commit}.json"


@dataclass(frozen=True)
class Line:
    """A summarized comparison.

    Attributes:
        row: the name of the row.
        comparison: the comparison.
        value: the result of the row's first subject.
        other: the result of the subject that it is compared with.
        ratio: the ratio of the two within each round.
    """

    row: str
    comparison: Comparison
    value: Spread
    other: Spread
    ratio: Spread

    @property
    def is_reached(self) -> bool | None:
        """Whether the target is; None where there is none."""
        limit = self.comparison.limit
        if limit is None:
            return None
        return self.ratio.median <= limit if self.comparison.figure == LATENCY else self.ratio.median >= limit

    @property
    def target(self) -> str:
        """The target, for people."""
        if self.comparison.limit is None:
            return ""
        return f"{'≤' if self.comparison.figure == LATENCY else '≥'} {self.comparison.limit:g}"

    @property
    def verdict(self) -> str:
        """Whether the target is reached, for people."""
        return {None: "", True: "reached", False: "missed"}[self.is_reached]


def lines(rows: list[MeasuredRow]) -> Iterator[Line]:
    """Sum up each comparison."""
    for row in rows:
        for comparison in row.comparisons:
            value = row.spread(comparison.figure, row.subjects[0])
            other = row.spread(comparison.figure, comparison.to)
            yield Line(row.name, comparison, value, other, row.ratio(comparison))


def shown(figure: str, value: float) -> str:
    """Return a figure for people."""
    return f"{value:,.0f} µs" if figure == LATENCY else f"{value:,.0f}/s"


def written(report: Report) -> bytes:
    """Return a report as it is kept."""
    return orjson.dumps(report, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def read(path: Path) -> Report:
    """Return a stored report.

    Raises:
        BenchmarkError: the file is not a report.
    """
    try:
        return TypeAdapter(Report).validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BenchmarkError(f"{path} is no report: {error}") from error


def newest(directory: Path = RESULTS) -> Report:
    """Return the newest report.

    Raises:
        BenchmarkError: there is no report.
    """
    reports = [read(path) for path in directory.glob("*.json")]
    if not reports:
        raise BenchmarkError(f"there is no report in {directory}")
    return max(reports, key=lambda report: report.started)


def _value(figures: Figures, figure: str) -> float:
    return float(getattr(figures, _ATTRIBUTES[figure]))
