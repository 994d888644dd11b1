"""`python -m benchmarks`: the table."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

import benchmarks
from benchmarks import page, table
from benchmarks.curves import CURVES, LEVELS, measure_curve
from benchmarks.environment import SIZES, populated
from benchmarks.machine import commit, machine
from benchmarks.measure import Bench
from benchmarks.processes import BenchmarkError, working_directory
from benchmarks.report import RESULTS, MeasuredCurve, MeasuredRow, Report, read, written
from benchmarks.rows import rows

if TYPE_CHECKING:
    from benchmarks.rows import Row

_CURVE_SHARE = 0.5


def main() -> None:
    """Measure, and print the table."""
    arguments = _arguments()
    try:
        if arguments.docs_from:
            page.write(read(arguments.docs_from))
        else:
            _measure(arguments)
    except BenchmarkError as error:
        sys.exit(f"benchmarks: {error}")


def _measure(arguments: argparse.Namespace) -> None:
    report = _report(arguments)
    Console(width=150).print(table.rendered(report.rows))
    if arguments.json:
        arguments.json.write_bytes(written(report))
    if not arguments.only and arguments.scale == 1:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / report.file_name).write_bytes(written(report))
        page.write(report)


def _report(arguments: argparse.Namespace) -> Report:
    started = datetime.now(UTC).isoformat(timespec="seconds")
    revision, is_dirty = commit()
    progress = Console(stderr=True, highlight=False)
    with working_directory() as directory, populated(directory, arguments.scale) as environment:
        chosen = _chosen(rows(environment.dataset), arguments.only)
        bench = Bench(environment.servers, environment.sealing, arguments.seconds)
        measured = [
            MeasuredRow(row.name, [each.name for each in row.subjects], list(row.comparisons), []) for row in chosen
        ]
        curves = [
            MeasuredCurve(row.name, [each.name for each in row.subjects], list(LEVELS), [])
            for row in chosen
            if row.name in CURVES and not arguments.no_curves
        ]
        for number in range(arguments.rounds):
            progress.print(f"round {number + 1} of {arguments.rounds}")
            for row, into in zip(chosen, measured, strict=True):
                into.rounds.append(bench.round(row, number))
            for curve in curves:
                row = next(each for each in chosen if each.name == curve.name)
                seconds = arguments.seconds * _CURVE_SHARE
                curve.rounds.append(measure_curve(bench, row, number, seconds=seconds))
        on = machine(environment.database_url)
    return Report(started, revision, is_dirty, _setting(arguments), on, measured, curves)


def _setting(arguments: argparse.Namespace) -> dict[str, float]:
    sizes = SIZES.scaled(arguments.scale)
    return {
        "rounds": arguments.rounds,
        "seconds": arguments.seconds,
        "teams": sizes.teams,
        "environments": sizes.environments,
        "secrets": sizes.secrets,
    }


def _chosen(every: list[Row], only: str) -> list[Row]:
    """Return the rows whose names start with one of the given names."""
    names = tuple(only.split(","))
    chosen = [row for row in every if row.name.startswith(names)]
    if not chosen:
        raise BenchmarkError(f"no row is called {only}")
    return chosen


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=benchmarks.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=5, help="measure everything so many times (default: 5)")
    parser.add_argument("--seconds", type=float, default=2, help="of each throughput (default: 2)")
    parser.add_argument("--scale", type=float, default=1, help="0.01 for a hundredth of the rows (default: 1)")
    parser.add_argument("--only", default="", help="beginnings of the names of rows, with commas between them")
    parser.add_argument("--no-curves", action="store_true", help="measure nothing by concurrency")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round to a file too")
    parser.add_argument(
        "--docs-from", type=Path, metavar="FILE", help="measure nothing: write docs/performance.md from such a file"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
