"""`python -m benchmarks.trust`: what authentication, policy and the sealing of the audit trail cost.

Servers run beside each other over one database and are measured in turn; ratios are of one round, with their median
and spread over the rounds.
"""

from __future__ import annotations

import argparse
import uuid
from contextlib import ExitStack
from typing import TYPE_CHECKING

import psycopg

from benchmarks.cases import Case
from benchmarks.dataset import populate
from benchmarks.load import Load, generator_of, measure
from benchmarks.measure import CONNECTIONS, STREAMS, Spread
from benchmarks.processes import (
    BenchmarkError,
    migrated_database,
    open_server,
    stagely_server,
    working_directory,
)
from stagely.v1 import team_pb2

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.processes import ServerProcess

_TEAMS = 256


def main() -> None:
    """Measure, and print the ratios."""
    arguments = _arguments()
    with ExitStack() as running:
        directory = running.enter_context(working_directory())
        url = running.enter_context(migrated_database(directory))
        trusted = running.enter_context(stagely_server(url, directory))
        opened = running.enter_context(open_server(url, directory))
        team_id = populate(url, trusted).team_id
        bench = _Bench(directory, arguments.rounds, arguments.seconds)
        bench.compare("GetTeam: token and policy, of neither", _get(team_id), trusted, opened)
    with ExitStack() as running:
        directory = running.enter_context(working_directory())
        # A database each: a sealer seals what any server writes. Without a key, the trail is written and not sealed;
        # what is measured here needs none for anything else.
        folders = [directory / name for name in ("sealing", "plain")]
        urls = [running.enter_context(migrated_database(folder)) for folder in folders]
        sealing = running.enter_context(open_server(urls[0], folders[0]))
        plain = running.enter_context(open_server(urls[1], folders[1], ENCRYPTION_KEY=""))
        teams = [str(uuid.uuid4()) for _ in range(_TEAMS)]
        for url in urls:
            _add_teams(url, teams)
        bench = _Bench(directory, arguments.rounds, arguments.seconds)
        bench.compare("UpdateTeam, one team: sealed, of not sealed", _update(teams[:1]), sealing, plain)
        bench.compare("UpdateTeam, many teams: sealed, of not sealed", _update(teams), sealing, plain)


class _Bench:
    def __init__(self, directory: Path, rounds: int, seconds: float) -> None:
        self._directory = directory
        self._rounds = rounds
        self._seconds = seconds

    def compare(self, name: str, case: Case, server: ServerProcess, other: ServerProcess) -> None:
        """Measure two servers in turn, each first in every other round, and print the ratio of their throughputs."""
        ratios, rates = [], []
        for number in range(self._rounds):
            order = (server, other) if number % 2 else (other, server)
            measured = {one.target: self._calls_per_second(case, one) for one in order}
            ratios.append(measured[server.target] / measured[other.target])
            rates.append(measured[server.target])
        ratio, rate = Spread.of(ratios), Spread.of(rates)
        spread = f"{ratio.median:.2f} ({ratio.lowest:.2f}-{ratio.highest:.2f})"
        print(f"{name:48} {spread:20} {rate.median:8,.0f} calls/s  {generator_of(case)}", flush=True)

    def _calls_per_second(self, case: Case, server: ServerProcess) -> float:
        result = measure(server, case, Load(CONNECTIONS, STREAMS, self._seconds), self._directory)
        if refusals := server.refusals():
            raise BenchmarkError(f"{len(refusals)} calls of {case.method} failed, the first: {refusals[0]}")
        return result.calls / result.seconds


def _get(team_id: str) -> Case:
    request = team_pb2.GetTeamRequest(id=team_id)
    return Case("/stagely.v1.TeamService/GetTeam", (request.SerializeToString(),))


def _update(teams: list[str]) -> Case:
    requests = [team_pb2.UpdateTeamRequest(id=team_id, billing_email="pay@acme.example") for team_id in teams]
    return Case("/stagely.v1.TeamService/UpdateTeam", tuple(request.SerializeToString() for request in requests))


def _add_teams(url: str, teams: list[str]) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO teams (id, slug, name) SELECT id, 't-' || id, 'Team' FROM unnest(%s::uuid[]) AS id", [teams]
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trust", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="measure everything so many times (default: 7)")
    parser.add_argument("--seconds", type=float, default=2, help="of each measurement (default: 2)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
