"""`python -m benchmarks.memory`: the memory of one server over 100,000 calls, a mix of reads and writes."""

from __future__ import annotations

import base64
import itertools
from contextlib import ExitStack
from typing import TYPE_CHECKING

import psutil

from benchmarks.cases import rows
from benchmarks.client import Job
from benchmarks.dataset import populate
from benchmarks.load import run_client
from benchmarks.measure import CONNECTIONS, STREAMS
from benchmarks.processes import BenchmarkError, migrated_database, stagely_server, working_directory

if TYPE_CHECKING:
    from benchmarks.dataset import Dataset
    from benchmarks.processes import ServerProcess

CALLS = 100_000
STEP = 10_000

_MIX = ("GetTeam", "GetEnvironment", "SetSecret", "AccessSecret")
_BYTES_PER_MB = 1_000_000


def main() -> None:
    """Call, and print the server's resident memory in MB, before and after every step."""
    with ExitStack() as running:
        directory = running.enter_context(working_directory())
        url = running.enter_context(migrated_database(directory))
        server = running.enter_context(stagely_server(url, directory))
        dataset = populate(url, server)
        print(f"{'calls':>8} {'MB':>6}\n{0:>8} {_resident_mb(server):>6.1f}")
        for calls in range(STEP, CALLS + 1, STEP):
            call(server, dataset, STEP)
            print(f"{calls:>8} {_resident_mb(server):>6.1f}", flush=True)


def call(server: ServerProcess, dataset: Dataset, calls: int) -> None:
    """Make a number of calls, of each method as many.

    Raises:
        BenchmarkError: one of them failed.
    """
    cases = [row.case for row in rows(dataset) if row.name in _MIX]
    turns = max(len(case.bodies) for case in cases)
    bodies = zip(*(itertools.islice(itertools.cycle(case.bodies), turns) for case in cases), strict=True)
    requests = [
        (case.method, base64.b64encode(body).decode())
        for turn in bodies
        for case, body in zip(cases, turn, strict=True)
    ]
    in_flight = CONNECTIONS * STREAMS
    run_client(Job(server.target, list(server.metadata), requests, CONNECTIONS, in_flight, calls=calls))
    if refusals := server.refusals():
        raise BenchmarkError(f"{len(refusals)} calls failed, the first: {refusals[0]}")


def _resident_mb(server: ServerProcess) -> float:
    return float(psutil.Process(server.pid).memory_info().rss) / _BYTES_PER_MB


if __name__ == "__main__":
    main()
