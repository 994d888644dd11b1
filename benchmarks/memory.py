"""`python -m benchmarks.memory`: the memory of one server over a million calls, a mix of reads and writes."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import psutil

from benchmarks import cases
from benchmarks.dataset import prepare
from benchmarks.load import Load, job_of, run_client
from benchmarks.measure import IN_FLIGHT
from benchmarks.processes import migrated_database, stagely_server, working_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.dataset import Dataset
    from benchmarks.processes import ServerProcess

_BYTES_PER_MB = 1_000_000
_LONGEST_SECONDS = 3600


def main() -> None:
    """Make the calls, and print the server's resident memory in MB at each step."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000, help="(default: 1,000,000)")
    parser.add_argument("--steps", type=int, default=20, help="look at the memory so many times (default: 20)")
    arguments = parser.parse_args()
    with (
        working_directory() as directory,
        migrated_database(directory) as url,
        stagely_server(url, directory) as server,
    ):
        dataset = prepare(url, server)
        print(f"{'calls':>9} {'MB':>6}\n{0:>9} {resident_mb(server):>6.1f}")
        for calls, resident in measured(server, dataset, arguments.calls, arguments.steps):
            print(f"{calls:>9} {resident:>6.1f}", flush=True)


def measured(server: ServerProcess, dataset: Dataset, calls: int, steps: int) -> Iterator[tuple[int, float]]:
    """Yield the number of calls and the memory at each step.

    Raises:
        BenchmarkError: a call failed.
    """
    mix = [
        cases.get_team(dataset),
        cases.get_environment(dataset),
        cases.list_environments(),
        cases.access_secret(dataset),
        cases.replace_secret(dataset),
    ]
    for step in range(1, steps + 1):
        load = Load(IN_FLIGHT, _LONGEST_SECONDS)
        run_client(server, job_of(server, mix, load, calls=calls // steps))
        yield step * (calls // steps), resident_mb(server)


def resident_mb(server: ServerProcess) -> float:
    """Return the memory of a server."""
    return float(psutil.Process(server.pid).memory_info().rss) / _BYTES_PER_MB


if __name__ == "__main__":
    main()
