"""`python -m benchmarks.overload`: the throughput of a server at multiples of its best load."""

from __future__ import annotations

import argparse
import base64
import itertools
import subprocess
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import orjson

from benchmarks import cases
from benchmarks.dataset import prepare
from benchmarks.load import Load, job_of, run_client
from benchmarks.measure import IN_FLIGHT
from benchmarks.memory import resident_mb
from benchmarks.open_loop import Offer, Outcome
from benchmarks.processes import ROOT, migrated_database, stagely_server, working_directory

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.cases import Case
    from benchmarks.dataset import Dataset
    from benchmarks.processes import ServerProcess

_DEADLINE_SECONDS = 1.0
_CONNECTIONS = 32
_LATE_SECONDS = 60
_HEAD = f"{'load':>5} {'offered/s':>10} {'good/s':>8} {'of best':>8} {'refused/s':>10} {'late/s':>7} {'MB':>6}"


def main() -> None:
    """Find the best rate of a closed loop, then offer multiples of it, and print the successful calls per second."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overload", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="of each load (default: 20)")
    parser.add_argument("--limit", help="MAX_CONCURRENT_RPCS (default: that of the service)")
    parser.add_argument(
        "--loads", type=float, nargs="+", default=[1, 2, 3], help="multiples of the best (default: 1 2 3)"
    )
    arguments = parser.parse_args()
    settings = {"MAX_CONCURRENT_RPCS": arguments.limit} if arguments.limit else {}
    with working_directory() as directory, migrated_database(directory) as url:
        with stagely_server(url, directory, name="preparing") as server:
            dataset = prepare(url, server)
        with stagely_server(url, directory, **settings) as server:
            report(server, mixed(dataset), arguments.seconds, arguments.loads)


def report(server: ServerProcess, mix: Sequence[Case], seconds: float, loads: Iterable[float]) -> None:
    """Print the best throughput of a server, and its throughput at multiples of that load."""
    closed = run_client(server, job_of(server, mix, Load(IN_FLIGHT, seconds)))
    best = closed.calls / closed.seconds
    print(f"best: {best:.0f}/s with {IN_FLIGHT} at a time, {resident_mb(server):.1f} MB\n{_HEAD}", flush=True)
    for load in loads:
        print(row(load, best, offered(server, mix, load * best, seconds), resident_mb(server)), flush=True)


def mixed(dataset: Dataset) -> list[Case]:
    """Return the calls: reads, and one write in four."""
    return [
        cases.get_team(dataset),
        cases.get_environment(dataset),
        cases.access_secret(dataset),
        cases.replace_secret(dataset),
    ]


def offered(server: ServerProcess, mix: Sequence[Case], calls_per_second: float, seconds: float) -> Outcome:
    """Offer a load to a server."""
    longest = max(len(case.turns) for case in mix)
    turns = itertools.chain.from_iterable(
        zip(*(itertools.islice(itertools.cycle(case.turns), longest) for case in mix), strict=True)
    )
    methods = itertools.cycle(case.method for case in mix)
    requests = [(method, base64.b64encode(body).decode()) for method, (body, *_) in zip(methods, turns, strict=False)]
    offer = Offer(
        server.target, list(server.metadata), requests, _CONNECTIONS, calls_per_second, seconds, _DEADLINE_SECONDS
    )
    offering = subprocess.run(
        [sys.executable, "-m", "benchmarks.open_loop"],
        cwd=ROOT,
        input=orjson.dumps(asdict(offer)),
        stdout=subprocess.PIPE,
        check=True,
        timeout=seconds + _LATE_SECONDS,
    )
    return Outcome(**orjson.loads(offering.stdout))


def row(load: float, best: float, outcome: Outcome, resident: float) -> str:
    """Return a line of the table."""
    begun, good, refused, late = (
        count / outcome.seconds for count in (outcome.offered, outcome.good, outcome.refused, outcome.late)
    )
    return f"{load:>4g}x {begun:>10.0f} {good:>8.0f} {good / best:>8.2f} {refused:>10.0f} {late:>7.0f} {resident:>6.1f}"


if __name__ == "__main__":
    main()
