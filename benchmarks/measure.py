"""Rounds of measurements. Each row is measured right after the subjects that it is compared with."""

from __future__ import annotations

import statistics
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.load import Load, measure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from benchmarks.processes import ServerProcess
    from benchmarks.rows import Row, Subject
    from benchmarks.sealing import Sealing

IN_FLIGHT = 64
_ALONE_SHARE = 0.4


@dataclass(frozen=True)
class Figures:
    """The result of one subject in one round: throughput and latency at 64 in flight, and latency at 1."""

    calls_per_second: float
    p50_micros: float
    p99_micros: float
    alone_p50_micros: float


@dataclass(frozen=True)
class Spread:
    """The median, the lowest and the highest of the rounds."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Summarize one value per round."""
        every = list(values)
        return cls(statistics.median(every), min(every), max(every))


@dataclass(frozen=True)
class Bench:
    """The subjects and the durations of measurements.

    Attributes:
        servers: the running servers, by their names in the rows.
        sealing: the sealing of the servers that write an audit log.
        seconds: the duration of a measurement at 64 in flight.
    """

    servers: Mapping[str, ServerProcess]
    sealing: Mapping[str, Sealing]
    seconds: float

    def round(self, row: Row, number: int) -> dict[str, Figures]:
        """Measure the subjects of a row, in an order that changes from round to round.

        Raises:
            BenchmarkError: a call failed.
        """
        return {subject.name: self.figures(subject) for subject in in_turn(row.subjects, number)}

    def figures(self, subject: Subject) -> Figures:
        """Measure one subject, and wait until its audit entries are sealed."""
        server, sealing = self.servers[subject.server], self.sealing.get(subject.server)
        with sealing.paused() if sealing and not subject.sealing else nullcontext():
            busy = measure(server, subject.case, Load(IN_FLIGHT, self.seconds))
            alone = measure(server, subject.case, Load(1, self.seconds * _ALONE_SHARE))
        if sealing:
            sealing.settle()
        return Figures(busy.calls / busy.seconds, busy.p50_micros, busy.p99_micros, alone.p50_micros)


def in_turn(subjects: Sequence[Subject], number: int) -> Sequence[Subject]:
    """Return the subjects in the order of a round. The first one rotates."""
    first = number // 2 % len(subjects)
    turned = [*subjects[first:], *subjects[:first]]
    return turned[::-1] if number % 2 else turned
