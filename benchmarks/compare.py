"""`python -m benchmarks.compare REV`: this checkout compared with another revision, as ratios within each round.

Both run in the same virtual environment, each with its own database, which it has migrated and filled itself. Methods
that only one of them has are omitted.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from benchmarks.dataset import prepare
from benchmarks.load import Load, job_of, run_client
from benchmarks.measure import Bench
from benchmarks.processes import (
    ROOT,
    BenchmarkError,
    another_database,
    empty_database,
    stagely_server,
    working_directory,
)
from benchmarks.report import MeasuredRow, lines, shown
from benchmarks.revision import checked_out, migrate
from benchmarks.rows import FLOORS, LATENCY, Comparison, Row, Subject, rows
from benchmarks.sealing import Sealing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from benchmarks.dataset import Dataset
    from benchmarks.processes import ServerProcess

NOW, THEN = "now", "then"

_PROBE_SECONDS = 10


@dataclass(frozen=True)
class _Side:
    """One of the two revisions with its own database."""

    server: ServerProcess
    sealing: Sealing
    rows: dict[str, Row]


def main() -> None:
    """Compare, and print the ratios."""
    arguments = _arguments()
    try:
        measured = compare(arguments.revision, rounds=arguments.rounds, seconds=arguments.seconds)
    except BenchmarkError as error:
        sys.exit(f"benchmarks: {error}")
    Console(width=140).print(_rendered(measured, arguments.revision))


def compare(revision: str, *, rounds: int, seconds: float) -> list[MeasuredRow]:
    """Measure the rows of both revisions.

    Raises:
        BenchmarkError: there is no such revision, one of the two does not start, or a call failed.
    """
    with ExitStack() as running:
        directory = running.enter_context(working_directory())
        checkout = running.enter_context(checked_out(revision, directory))
        url = running.enter_context(empty_database(directory))
        sides = {
            name: running.enter_context(_side(root, url, directory, name))
            for name, root in ((NOW, ROOT), (THEN, checkout))
        }
        servers = {name: side.server for name, side in sides.items()}
        bench = Bench(servers, {name: side.sealing for name, side in sides.items()}, seconds)
        pairs = list(_pairs(sides))
        measured = [MeasuredRow(row.name, [NOW, THEN], list(row.comparisons), []) for row in pairs]
        for number in range(rounds):
            for row, into in zip(pairs, measured, strict=True):
                into.rounds.append(bench.round(row, number))
    return measured


@contextmanager
def _side(root: Path, url: str, directory: Path, name: str) -> Iterator[_Side]:
    with ExitStack() as running:
        own = running.enter_context(another_database(url, name))
        migrate(root, own)
        server = running.enter_context(stagely_server(own, directory, name=name, root=root))
        yield _Side(server, running.enter_context(Sealing.of(own)), _rows_of_service(prepare(own, server)))


def _rows_of_service(dataset: Dataset) -> dict[str, Row]:
    """Return the rows, without those that compare the service with itself."""
    return {row.name: row for row in rows(dataset) if any(each.server == FLOORS for each in row.subjects)}


def _pairs(sides: Mapping[str, _Side]) -> Iterator[Row]:
    """Yield the rows that both sides support."""
    for row in sides[NOW].rows:
        subjects = tuple(Subject(name, name, side.rows[row].subjects[0].case) for name, side in sides.items())
        if all(_answers(sides[each.server].server, each) for each in subjects):
            yield Row(row, subjects, (Comparison(THEN), Comparison(THEN, LATENCY)))


def _answers(server: ServerProcess, subject: Subject) -> bool:
    try:
        run_client(server, job_of(server, [subject.case], Load(1, _PROBE_SECONDS), calls=1))
    except BenchmarkError as error:
        print(f"left out: {subject.name}, {error}", file=sys.stderr)
        return False
    return True


def _rendered(measured: list[MeasuredRow], revision: str) -> Table:
    table = Table(
        title=f"this checkout to {revision}, throughput at 64 in flight and latency at 1: median (lowest-highest)"
    )
    for heading in ("row", "now", "then", "ratio"):
        table.add_column(heading, justify="left" if heading == "row" else "right")
    for line in lines(measured):
        figure = line.comparison.figure
        table.add_row(
            line.row + (", p50" if figure == LATENCY else ""),
            shown(figure, line.value.median),
            shown(figure, line.other.median),
            f"{line.ratio.median:.2f} ({line.ratio.lowest:.2f}-{line.ratio.highest:.2f})",
        )
    return table


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("revision", help="a commit, branch or tag of this repository")
    parser.add_argument("--rounds", type=int, default=5, help="measure everything so many times (default: 5)")
    parser.add_argument("--seconds", type=float, default=2, help="of each throughput (default: 2)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
