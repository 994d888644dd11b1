"""Throughput and latency by concurrency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.load import Load, measure
from benchmarks.measure import in_turn

if TYPE_CHECKING:
    from benchmarks.measure import Bench
    from benchmarks.rows import Row

LEVELS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
CURVES = ("GetTeam", "GetEnvironment")


@dataclass(frozen=True)
class Point:
    """The result of one subject at one level in one round."""

    calls_per_second: float
    p50_micros: float
    p99_micros: float


def measure_curve(bench: Bench, row: Row, number: int, *, seconds: float) -> dict[str, list[Point]]:
    """Measure the subjects of a row at each level, one right after the other. Return the points by level.

    Raises:
        BenchmarkError: a call failed.
    """
    points: dict[str, list[Point]] = {subject.name: [] for subject in row.subjects}
    for level in LEVELS:
        for subject in in_turn(row.subjects, number):
            result = measure(bench.servers[subject.server], subject.case, Load(level, seconds))
            rate = result.calls / result.seconds
            points[subject.name].append(Point(rate, result.p50_micros, result.p99_micros))
    return points
