"""Rounds of measurements, and the ratios that are the result."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.cases import ECHO
from benchmarks.load import Load, measure
from benchmarks.processes import BenchmarkError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from benchmarks.cases import Case, Row
    from benchmarks.processes import ServerProcess

CONNECTIONS = 8
STREAMS = 8
_LATENCY_SHARE = 0.4


@dataclass(frozen=True)
class Figures:
    """What one case did in one round."""

    calls_per_second: float
    p50_micros: float


@dataclass(frozen=True)
class Round:
    """What a row and its floors did, one right after the other."""

    echo: Figures
    floor: Figures
    row: Figures


@dataclass(frozen=True)
class Spread:
    """The median of the rounds, and the lowest and highest of them."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Sum up one value of each round."""
        every = list(values)
        return cls(statistics.median(every), min(every), max(every))


@dataclass
class Measured:
    """A row's rounds."""

    row: Row
    rounds: list[Round] = field(default_factory=list)

    def spread(self, of_round: Callable[[Round], float]) -> Spread:
        """Sum up something that each round tells."""
        return Spread.of(map(of_round, self.rounds))


@dataclass(frozen=True)
class Bench:
    """The two servers, and how long each measurement takes."""

    stagely: ServerProcess
    floors: ServerProcess
    directory: Path
    seconds: float

    def round(self, row: Row) -> Round:
        """Measure a row's floors and the row.

        Raises:
            BenchmarkError: an answer was not OK.
        """
        return Round(echo=self._figures(ECHO), floor=self._figures(row.floor), row=self._figures(row.case))

    def _figures(self, case: Case) -> Figures:
        server = self.floors if case.is_floor else self.stagely
        busy = measure(server, case, Load(CONNECTIONS, STREAMS, self.seconds), self.directory)
        alone = measure(server, case, Load(1, 1, self.seconds * _LATENCY_SHARE), self.directory)
        if refusals := server.refusals():
            raise BenchmarkError(f"{len(refusals)} calls of {case.method} failed, the first: {refusals[0]}")
        return Figures(busy.calls / busy.seconds, alone.p50_micros)
