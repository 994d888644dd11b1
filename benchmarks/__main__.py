"""`python -m benchmarks`: the table."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

import benchmarks
from benchmarks.cases import rows
from benchmarks.dataset import populate
from benchmarks.load import H2LOAD
from benchmarks.measure import Bench, Measured
from benchmarks.processes import BenchmarkError, floor_server, migrated_database, stagely_server, working_directory
from benchmarks.table import as_json, rendered

if TYPE_CHECKING:
    from benchmarks.cases import Row


def main() -> None:
    """Measure, and print the table."""
    arguments = _arguments()
    console = Console(width=160)
    console.print(f"load: {H2LOAD or 'h2load is not installed: the grpc.aio client for all'}", highlight=False)
    try:
        results = _results(arguments)
    except BenchmarkError as error:
        sys.exit(f"benchmarks: {error}")
    console.print(rendered(results))
    if arguments.json:
        setting = {"rounds": arguments.rounds, "seconds": arguments.seconds}
        arguments.json.write_bytes(as_json(results, **setting))


def _results(arguments: argparse.Namespace) -> list[Measured]:
    with ExitStack() as running:
        directory = running.enter_context(working_directory())
        url = running.enter_context(migrated_database(directory))
        stagely = running.enter_context(stagely_server(url, directory))
        floors = running.enter_context(floor_server(url, directory))
        results = [Measured(row) for row in _chosen(rows(populate(url, stagely)), arguments.only)]
        bench = Bench(stagely, floors, directory, arguments.seconds)
        for _ in range(arguments.rounds):
            for measured in results:
                measured.rounds.append(bench.round(measured.row))
    return results


def _chosen(every: list[Row], only: str) -> list[Row]:
    names = only.split(",") if only else [row.name for row in every]
    if unknown := set(names) - {row.name for row in every}:
        raise BenchmarkError(f"no row is called {', '.join(sorted(unknown))}")
    return [row for row in every if row.name in names]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=benchmarks.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=5, help="measure everything so many times (default: 5)")
    parser.add_argument("--seconds", type=float, default=1.5, help="of each throughput (default: 1.5)")
    parser.add_argument("--only", default="", help="names of rows, with commas between them")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round to a file too")
    return parser.parse_args()


if __name__ == "__main__":
    main()
